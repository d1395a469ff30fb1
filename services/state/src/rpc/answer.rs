//! What an RPC answers, with what REST callers read from headers.

use gamemesh_contracts::common::v1::{Freshness, Tier};
use gamemesh_contracts::state::v1::WriteResult;
use tonic::Response;
use tonic::metadata::{MetadataMap, MetadataValue};

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
            self.about.tell(response.metadata_mut());
        }
        response
    }
}

impl About {
    fn tell(&self, headers: &mut MetadataMap) {
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = MetadataValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        match self {
            Self::Nothing => {}
            Self::Read { freshness, unchanged } => {
                set("etag", format!("\"{}\"", freshness.version));
                set("x-state-version", freshness.version.to_string());
                if let Some(age) = freshness.age {
                    let age_ms = age.seconds * 1_000 + i64::from(age.nanos / 1_000_000);
                    set("x-state-age-ms", age_ms.to_string());
                }
                set("x-state-tier", tier(freshness.tier()).to_owned());
                set("x-state-token", freshness.token.clone());
                if *unchanged {
                    set("x-http-code", "304".to_owned());
                }
            }
            Self::Written(write) => {
                set("etag", format!("\"{}\"", write.version));
                set("x-state-version", write.version.to_string());
                set("x-state-token", write.token.clone());
                if write.repeated_write {
                    set("x-state-repeated", "true".to_owned());
                }
            }
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
