//! What an RPC answers, with what REST callers read from headers.

use http::header::{ETAG, HeaderMap, HeaderName, HeaderValue};
use tonic::Response;
use tonic::metadata::MetadataMap;

const VERSION: HeaderName = HeaderName::from_static("x-stats-version");
const HTTP_CODE: HeaderName = HeaderName::from_static("x-http-code");

/// What a caller says beside his message.
pub(super) struct Conditions {
    over_rest: bool,
    if_none_match: Option<String>,
    /// Where a browser's event stream broke off.
    pub(super) last_event_id: Option<String>,
}

impl Conditions {
    pub(super) fn of(metadata: &MetadataMap) -> Self {
        let text = |name: &str| {
            metadata.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
        };
        Self {
            over_rest: metadata.contains_key(gamemesh_rpc::GATEWAY_HEADER),
            if_none_match: text("if-none-match"),
            last_event_id: text("last-event-id"),
        }
    }
}

pub(super) struct Answer<T> {
    message: T,
    version: Option<u64>,
}

impl<T> Answer<T> {
    pub(super) const fn new(message: T) -> Self {
        Self { message, version: None }
    }

    /// The answer about a match at a version, which is its `ETag`.
    pub(super) const fn at(message: T, version: u64) -> Self {
        Self { message, version: Some(version) }
    }

    /// gRPC callers find everything in the message, so headers are for REST alone.
    pub(super) fn into_response(self, conditions: &Conditions) -> Response<T> {
        let mut response = Response::new(self.message);
        if let Some(version) = self.version.filter(|_| conditions.over_rest) {
            let mut headers = HeaderMap::with_capacity(8);
            headers.insert(VERSION, version.into());
            if let Ok(etag) = HeaderValue::from_str(&format!("\"{version}\"")) {
                headers.insert(ETAG, etag);
            }
            if conditions.if_none_match.as_deref().is_some_and(|known| holds(known, version)) {
                headers.insert(HTTP_CODE, HeaderValue::from_static("304"));
            }
            *response.metadata_mut() = MetadataMap::from_headers(headers);
        }
        response
    }
}

/// Whether a list of ETags holds that of a version.
fn holds(etags: &str, version: u64) -> bool {
    etags.split(',').map(str::trim).any(|etag| {
        let etag = etag.strip_prefix("W/").unwrap_or(etag);
        etag == "*" || etag.trim_matches('"') == version.to_string()
    })
}
