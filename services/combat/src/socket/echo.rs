//! An echo on the endpoint of combat, where the configuration asks for it: suites that check the protocol
//! of WebSockets want their messages back. It reads and closes as every other connection does.

use axum::extract::ws::Message;
use futures::{SinkExt as _, StreamExt as _};
use gamemesh_rpc::websocket::{Session, hear_out};

use super::close;
use super::player::receive;

pub(super) const PROTOCOL: &str = "echo.v1";

/// The largest message that the suites send.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 20;

pub(super) async fn serve(session: Session) {
    let (mut sink, mut source) = session.socket.split();
    let closing = loop {
        match receive(&mut source, MESSAGE_BYTES_MAX).await {
            // The library has answered it already.
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(message) => {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
            Err(closing) => break closing,
        }
    };
    close::close(&mut sink, &closing).await;
    hear_out(source, true).await;
}
