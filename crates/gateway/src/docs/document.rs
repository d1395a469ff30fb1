//! A document that does not change while the process lives.

use std::io::Write as _;
use std::sync::OnceLock;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};

pub(super) struct Document {
    body: Bytes,
    /// For who accepts it; made when first asked for.
    gzip: OnceLock<Bytes>,
    etag: HeaderValue,
    content_type: HeaderValue,
    policy: Option<HeaderValue>,
}

impl Document {
    pub(super) fn new(body: impl Into<Bytes>, content_type: &'static str) -> Self {
        let body = body.into();
        let etag = format!("\"{}\"", BASE64_STANDARD.encode(Sha256::digest(&body)));
        Self {
            body,
            gzip: OnceLock::new(),
            etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")),
            content_type: HeaderValue::from_static(content_type),
            policy: None,
        }
    }

    /// With a `Content-Security-Policy`.
    pub(super) fn under(self, policy: &str) -> Self {
        Self { policy: HeaderValue::try_from(policy).ok(), ..self }
    }

    pub(super) fn response(&self, headers: &HeaderMap) -> Response<Body> {
        if self.is_known(headers) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            self.put_headers(response.headers_mut());
            return response;
        }
        let zipped = accepts_gzip(headers);
        let body = if zipped { self.gzip.get_or_init(|| gzip(&self.body)) } else { &self.body };
        let mut response = Response::new(Body::from(body.clone()));
        let headers = response.headers_mut();
        self.put_headers(headers);
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        if zipped {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    /// Whether the client has it already.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let etag = self.etag.to_str().unwrap_or("");
        headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
            let tags = value.to_str().unwrap_or("");
            tags.split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == etag || tag == "*")
        })
    }

    fn put_headers(&self, headers: &mut HeaderMap) {
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(policy) = &self.policy {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
    }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // A vector takes everything.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).into_iter();
    accepted.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).any(
        |coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let is_refused = weight.trim().trim_start_matches("q=").parse() == Ok(0.0);
            name.trim().eq_ignore_ascii_case("gzip") && !is_refused
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_goes_to_who_accepts_it() {
        let document = Document::new("a".repeat(1_000), "text/plain");
        for (accept, zipped) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
            let response = document.response(&headers);
            let encoding = response.headers().get(header::CONTENT_ENCODING);
            assert_eq!(encoding.is_some(), zipped, "{accept}");
        }
    }
}
