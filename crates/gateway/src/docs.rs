//! `GET /openapi.json`, and `GET /docs` to read and try it in a browser.

mod document;
mod page;

use std::sync::LazyLock;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use document::Document;
use page::{PAGE_PATH, SCRIPT_PATH};

use crate::openapi;

/// Some megabytes, for which most processes are never asked.
static SCRIPT: LazyLock<Document> = LazyLock::new(page::script);

/// Made once.
pub(crate) struct Docs {
    openapi: Document,
    page: Document,
}

impl Docs {
    pub(crate) fn new(openapi: &openapi::Document) -> Self {
        Self { openapi: Document::new(openapi.text(), "application/json"), page: page::page() }
    }

    /// The document at a path, if there is one.
    pub(crate) fn get(&self, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        let document = match path {
            "/openapi.json" => &self.openapi,
            PAGE_PATH => &self.page,
            SCRIPT_PATH => &SCRIPT,
            "/" | "/docs/" => return Some(to_page()),
            _ => return None,
        };
        Some(document.response(headers))
    }
}

/// Who comes without knowing the paths is led to the page.
fn to_page() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(PAGE_PATH));
    response
}
