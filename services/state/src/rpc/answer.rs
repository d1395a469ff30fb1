//! What an RPC answers, with what REST callers read from headers.

use gamemesh_contracts::common::v1::{Freshness, Tier};
use gamemesh_contracts::state::v1::WriteResult;
use http::header::{ETAG, HeaderMap, HeaderName, HeaderValue};
use tonic::Response;
use tonic::metadata::MetadataMap;

pub(super) struct Answer<T> {
    message: T,
    about: About,
}

/// What the answer is about.
enum About {
    Nothing,
    Read { freshness: Freshness, unchanged: bool },
    Written(WriteResult),
}

impl<T> Answer<T> {
    pub(super) const fn new(message: T) -> Self {
        Self { message, about: About::Nothing }
    }

    /// The answer to a read of one version.
    pub(super) fn read(message: T, freshness: &Freshness, if_none_match: Option<&str>) -> Self {
        let unchanged = if_none_match.is_some_and(|known| holds(known, freshness.version));
        Self { message, about: About::Read { freshness: freshness.clone(), unchanged } }
    }

    /// The answer to a write.
    pub(super) fn written(message: T, write: &WriteResult) -> Self {
        Self { message, about: About::Written(write.clone()) }
    }

    /// gRPC callers find everything in the message, so headers are for REST alone.
    pub(super) fn into_response(self, over_rest: bool) -> Response<T> {
        let mut response = Response::new(self.message);
        if over_rest {
            *response.metadata_mut() = MetadataMap::from_headers(self.about.headers());
        }
        response
    }
}

const VERSION: HeaderName = HeaderName::from_static("x-state-version");
const AGE_MS: HeaderName = HeaderName::from_static("x-state-age-ms");
const TIER: HeaderName = HeaderName::from_static("x-state-tier");
const TOKEN: HeaderName = HeaderName::from_static("x-state-token");
const REPEATED: HeaderName = HeaderName::from_static("x-state-repeated");
const HTTP_CODE: HeaderName = HeaderName::from_static("x-http-code");

/// Of these headers, with what the protocol adds to them.
const HEADERS_MAX: usize = 12;

impl About {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(HEADERS_MAX);
        match self {
            Self::Nothing => {}
            Self::Read { freshness, unchanged } => {
                about_version(&mut headers, freshness.version, &freshness.token);
                if let Some(age) = freshness.age {
                    let age_ms = age.seconds * 1_000 + i64::from(age.nanos / 1_000_000);
                    headers.insert(AGE_MS, age_ms.into());
                }
                headers.insert(TIER, HeaderValue::from_static(tier(freshness.tier())));
                if *unchanged {
                    headers.insert(HTTP_CODE, HeaderValue::from_static("304"));
                }
            }
            Self::Written(write) => {
                about_version(&mut headers, write.version, &write.token);
                if write.repeated_write {
                    headers.insert(REPEATED, HeaderValue::from_static("true"));
                }
            }
        }
        headers
    }
}

fn about_version(headers: &mut HeaderMap, version: i64, token: &str) {
    headers.insert(VERSION, version.into());
    for (name, value) in [(ETAG, format!("\"{version}\"").as_str()), (TOKEN, token)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Unspecified => "unspecified",
        Tier::L1 => "l1",
        Tier::L2 => "l2",
        Tier::Store => "store",
    }
}

/// Whether a list of ETags holds that of a version.
fn holds(etags: &str, version: i64) -> bool {
    etags.split(',').map(str::trim).any(|etag| {
        let etag = etag.strip_prefix("W/").unwrap_or(etag);
        etag == "*" || etag.trim_matches('"') == version.to_string()
    })
}
