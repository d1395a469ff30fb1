//! The page: Scalar's API reference, which is part of the binary and asks nobody but this server.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::document::Document;

pub(super) const PAGE_PATH: &str = "/docs";
pub(super) const SCRIPT_PATH: &str = "/docs/scalar.js";

/// The name of the script among the crate's assets.
const SCRIPT: &str = "scalar.js";

/// The policy admits the script, and the one inline element that starts it.
const INLINE: (&str, &str) = ("<script>", "</script>");

pub(super) fn page() -> Document {
    let configuration = json!({
        "url": "/openapi.json",
        "operationTitleSource": "path",
        "defaultOpenAllTags": false,
        "hideModels": false,
        // Everything below would ask servers of others.
        "withDefaultFonts": false,
        "telemetry": false,
        "showDeveloperTools": "never",
        "mcp": {"disabled": true},
        "agent": {"disabled": true},
        "hideClientButton": true,
    });
    let html = scalar_api_reference::scalar_html(&configuration, Some(SCRIPT_PATH));
    let html = html.replace("<title>Scalar API Reference</title>", "<title>gamemesh</title>");
    let html = html.replace("</head>", "  <link rel=\"icon\" href=\"data:,\" />\n  </head>");
    let inline = html
        .split_once(INLINE.0)
        .and_then(|(_, rest)| rest.split_once(INLINE.1))
        .map_or("", |(content, _)| content);
    let hash = BASE64_STANDARD.encode(Sha256::digest(inline));
    let policy = format!(
        "default-src 'none'; script-src 'self' 'sha256-{hash}'; style-src 'unsafe-inline'; \
         connect-src 'self' ws: wss:; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    Document::new(html, "text/html; charset=utf-8").under(&policy)
}

pub(super) fn script() -> Document {
    let script = scalar_api_reference::get_asset(SCRIPT).unwrap_or_default();
    Document::new(script, "text/javascript; charset=utf-8")
}
