//! The opening handshake: what is refused over HTTP, before there is a connection.

use axum::extract::FromRequestParts as _;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use gamemesh_domain::Error;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use crate::error::to_http;

/// The only version of the protocol that RFC 6455 has.
const VERSION: &str = "13";

/// One connection costs a read buffer of this size for as long as it lives.
pub const READ_BUFFER_BYTES: usize = 4096;

/// Takes the upgrade from a request. A client of another version is told the right one (RFC 6455, 4.4).
pub async fn handshake(parts: &mut Parts) -> Result<WebSocketUpgrade, Response> {
    let mut versions = parts.headers.get_all(header::SEC_WEBSOCKET_VERSION).iter();
    if versions.next().is_none_or(|version| version != VERSION) || versions.next().is_some() {
        let what = format!("the only version is {VERSION}");
        let mut response = to_http(&Error::invalid("Sec-WebSocket-Version", what));
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        return Err(response);
    }
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
    let upgrade = upgrade.map_err(|rejection| {
        to_http(&Error::invalid("Upgrade", format!("no WebSocket: {rejection}")))
    })?;
    Ok(upgrade.read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(0))
}
