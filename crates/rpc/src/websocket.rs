//! WebSockets: what a client offers as sub-protocols, the upgrade of a service's own route, and what every
//! connection keeps of RFC 6455.

mod ending;
mod handshake;

use std::future::Future;

use axum::extract::FromRequestParts;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use gamemesh_domain::Error;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use tokio_util::sync::CancellationToken;

use crate::error::to_http;
use crate::stack::RouteContext;

pub use ending::{Ended, hear_out, receive, shortened};
pub use handshake::{READ_BUFFER_BYTES, handshake};

/// The largest message that is taken, unless the route says otherwise.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What a socket that does not take what is sent may leave in memory, unless the route says otherwise.
/// At more than this, sending fails.
const UNSENT_BYTES_MAX: usize = 1 << 20;

/// A browser cannot set headers on a WebSocket, so it offers its token as a sub-protocol.
const BEARER: &str = "bearer.";

/// Whether a request asks for a WebSocket, over HTTP/1.1 or HTTP/2.
pub fn is_upgrade(method: &Method, headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or("");
    *method == Method::CONNECT
        || (*method == Method::GET && upgrade.eq_ignore_ascii_case("websocket"))
}

/// The sub-protocols that a client offers, and the token among them.
#[derive(Debug, Clone, Default)]
pub struct Protocols {
    offered: Vec<String>,
    token: Option<String>,
}

impl Protocols {
    pub fn offered(headers: &HeaderMap) -> Self {
        let mut protocols = Self::default();
        let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
        for name in values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','))
        {
            match name.trim().strip_prefix(BEARER) {
                Some(token) => {
                    protocols.token.get_or_insert_with(|| token.to_owned());
                }
                None => protocols.offered.push(name.trim().to_owned()),
            }
        }
        protocols
    }

    /// The first of the offered protocols that is known.
    pub fn choose<'a>(&self, known: &[&'a str]) -> Option<&'a str> {
        self.offered.iter().find_map(|offered| known.iter().copied().find(|name| name == offered))
    }

    /// Puts the token where other callers send it, unless there is one already.
    pub fn authorize(&self, headers: &mut HeaderMap) {
        let value =
            self.token.as_ref().map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        if let Some(Ok(mut value)) = value {
            value.set_sensitive(true);
            headers.entry(header::AUTHORIZATION).or_insert(value);
        }
    }
}

/// The upgrade of a request to a WebSocket, on a service's own route. Its session belongs to the call:
/// it logs with the call's correlation, is counted as open, and ends at the latest when a drain ends
/// what is still open.
#[must_use = "a request that is not upgraded has no answer"]
pub struct Upgrade {
    inner: WebSocketUpgrade,
    protocols: Protocols,
    chosen: Option<&'static str>,
    context: RouteContext,
}

/// An open WebSocket.
pub struct Session {
    pub socket: WebSocket,
    /// The sub-protocol that was chosen.
    pub protocol: Option<&'static str>,
    /// Fires when the process drains: the session then says where to go on and closes.
    pub draining: CancellationToken,
}

impl Upgrade {
    /// Answers with the first of the client's sub-protocols that is known.
    pub fn choose(mut self, known: &[&'static str]) -> Self {
        self.chosen = self.protocols.choose(known);
        if let Some(name) = self.chosen {
            self.inner.set_selected_protocol(HeaderValue::from_static(name));
        }
        self
    }

    /// Whether [`Self::choose`] found a protocol.
    pub fn chosen(&self) -> Option<&'static str> {
        self.chosen
    }

    pub fn read_buffer_bytes(mut self, bytes: usize) -> Self {
        self.inner = self.inner.read_buffer_size(bytes);
        self
    }

    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.inner = self.inner.max_message_size(bytes).max_frame_size(bytes);
        self
    }

    pub fn unsent_bytes_max(mut self, bytes: usize) -> Self {
        self.inner = self.inner.max_write_buffer_size(bytes);
        self
    }

    /// Answers the request and serves the session.
    pub fn on_upgrade<F, Fut>(self, serve: F) -> Response
    where
        F: FnOnce(Session) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let Self { inner, chosen, context, .. } = self;
        inner.on_upgrade(move |socket| async move {
            let open = context.opened();
            let draining = context.lifecycle.draining().clone();
            let session = Session { socket, protocol: chosen, draining };
            let cutting = context.lifecycle.cutting().clone();
            let served = context.correlation.scope(serve(session));
            tokio::select! {
                () = served => {}
                () = cutting.cancelled() => {}
            }
            drop(open);
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let context = parts.extensions.get::<RouteContext>().cloned();
        let context =
            context.ok_or_else(|| to_http(&Error::internal("the layer stack is not applied")))?;
        let protocols = Protocols::offered(&parts.headers);
        let inner = handshake(parts)
            .await?
            .max_write_buffer_size(UNSENT_BYTES_MAX)
            .max_message_size(MESSAGE_BYTES_MAX)
            .max_frame_size(MESSAGE_BYTES_MAX);
        Ok(Self { inner, protocols, chosen: None, context })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_token_stands_beside_the_protocol() {
        let table: [(&[&str], Option<&str>, Option<&str>); 6] = [
            (&[], None, None),
            (&["play.v1"], Some("play.v1"), None),
            (&["bearer.a.b.c, play.v1"], Some("play.v1"), Some("Bearer a.b.c")),
            (&["other", "play.v2,bearer.x"], Some("play.v2"), Some("Bearer x")),
            (&["bearer.first, bearer.second"], None, Some("Bearer first")),
            (&["Play.v1"], None, None),
        ];
        for (values, chosen, authorization) in table {
            let mut headers = offered(values);
            let protocols = Protocols::offered(&headers);
            assert_eq!(protocols.choose(&["play.v1", "play.v2"]), chosen, "{values:?}");
            protocols.authorize(&mut headers);
            let found = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
            assert_eq!(found, authorization, "{values:?}");
        }
    }

    #[test]
    fn a_header_beats_the_sub_protocol() {
        let mut headers = offered(&["bearer.theirs"]);
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer ours"));
        Protocols::offered(&headers.clone()).authorize(&mut headers);
        assert_eq!(headers[header::AUTHORIZATION], "Bearer ours");
    }
}
