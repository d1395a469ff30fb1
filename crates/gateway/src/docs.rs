//! `GET /openapi.json` and `GET /docs`: what the gateway says about itself.

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("docs/page.html");

/// The two documents, made once.
pub(crate) struct Docs {
    openapi: Document,
    page: Document,
}

struct Document {
    body: Bytes,
    etag: HeaderValue,
    content_type: HeaderValue,
    policy: Option<HeaderValue>,
}

impl Docs {
    pub(crate) fn new(openapi: &serde_json::Value) -> Self {
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self' ws: wss:; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            source_hash("<script>", "</script>"),
            source_hash("<style>", "</style>"),
        );
        Self {
            openapi: Document::new(openapi.to_string().into(), "application/json", None),
            page: Document::new(
                Bytes::from_static(PAGE.as_bytes()),
                "text/html; charset=utf-8",
                HeaderValue::try_from(policy).ok(),
            ),
        }
    }

    /// The document at a path, if there is one.
    pub(crate) fn get(&self, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        let document = match path {
            "/openapi.json" => &self.openapi,
            "/docs" => &self.page,
            _ => return None,
        };
        Some(document.response(headers))
    }
}

impl Document {
    fn new(body: Bytes, content_type: &'static str, policy: Option<HeaderValue>) -> Self {
        let etag = format!("\"{}\"", BASE64_STANDARD.encode(Sha256::digest(&body)));
        Self {
            body,
            etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")),
            content_type: HeaderValue::from_static(content_type),
            policy,
        }
    }

    fn response(&self, headers: &HeaderMap) -> Response<Body> {
        let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
            let etag = self.etag.to_str().unwrap_or("");
            let tags = value.to_str().unwrap_or("");
            tags.split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == etag || tag == "*")
        });
        let mut response =
            Response::new(if known { Body::empty() } else { Body::from(self.body.clone()) });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(policy) = &self.policy {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
        if !known {
            headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        }
        response
    }
}

/// The hash that admits the page's one inline element of a kind.
fn source_hash(open: &str, close: &str) -> String {
    let content = PAGE
        .split_once(open)
        .and_then(|(_, rest)| rest.split_once(close))
        .map_or("", |(content, _)| content);
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(content)))
}
