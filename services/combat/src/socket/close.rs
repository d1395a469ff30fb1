//! The codes with which a connection is closed; `docs/combat.md` explains each.

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::SinkExt as _;
use futures::stream::SplitSink;
use gamemesh_domain::Code;
use gamemesh_rpc::websocket::shortened;
use tokio::time::timeout;

use super::outlet::{Closing, STALLED_MAX};

/// The client has closed, and is answered with its own code. This one is counted, and never sent.
pub(crate) const BY_CLIENT: u16 = 1005;
/// The session was left.
pub(crate) const NORMAL: u16 = 1000;
/// The client broke a rule of the protocol, or sent too much.
pub(crate) const POLICY: u16 = 1008;
/// A frame was larger than allowed.
pub(crate) const TOO_LARGE: u16 = 1009;
/// The server has a defect.
pub(crate) const INTERNAL: u16 = 1011;
/// The server is restarted: come back with the resume token.
pub(crate) const RESTART: u16 = 1012;
/// There is no room at the moment.
pub(crate) const TRY_LATER: u16 = 1013;
/// The token is missing, wrong or over.
pub(crate) const UNAUTHENTICATED: u16 = 4401;
/// The token does not allow this.
pub(crate) const FORBIDDEN: u16 = 4403;
/// There is no such session.
pub(crate) const NO_SESSION: u16 = 4404;
/// The client does not take what it is sent, or has fallen silent.
pub(crate) const SLOW: u16 = 4408;
/// A newer connection of the same player has taken its place.
pub(crate) const REPLACED: u16 = 4409;
/// The session is over.
pub(crate) const ENDED: u16 = 4410;

/// The close code for a refusal.
pub(crate) const fn of(code: Code) -> u16 {
    match code {
        Code::Unauthenticated => UNAUTHENTICATED,
        Code::PermissionDenied => FORBIDDEN,
        Code::NotFound => NO_SESSION,
        Code::Overloaded
        | Code::PoolExhausted
        | Code::RateLimited
        | Code::DependencyUnavailable => TRY_LATER,
        Code::NotServing | Code::Fenced => RESTART,
        Code::PayloadTooLarge => TOO_LARGE,
        Code::Internal | Code::DataCorrupted => INTERNAL,
        _ => POLICY,
    }
}

/// Closes a connection. What the client does not take in time it does not get.
pub(super) async fn close(sink: &mut SplitSink<WebSocket, Message>, closing: &Closing) {
    let farewell = async {
        if closing.code != BY_CLIENT {
            let reason = shortened(&closing.reason).into();
            let frame = CloseFrame { code: closing.code, reason };
            sink.send(Message::Close(Some(frame))).await?;
        }
        // Sends the answer to the client's own close, if it was the one who began.
        sink.close().await
    };
    let _ = timeout(STALLED_MAX, farewell).await;
}
