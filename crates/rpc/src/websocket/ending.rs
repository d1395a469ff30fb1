//! How connections end, by the rules of RFC 6455: what both the gateway and a service's own sockets do.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures::StreamExt as _;
use futures::stream::SplitStream;
use tokio::time::{sleep, timeout};

/// A close frame holds this many bytes of text.
const REASON_BYTES_MAX: usize = 123;

/// How long a client may take to answer a close.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Why nothing more is read from a client.
#[derive(Debug)]
pub enum Ended {
    /// It has closed. Its close frame is answered with its own code as soon as the sink is closed.
    Closed,
    /// It has said nothing for too long, not even a pong.
    Silent,
    /// What it sent could not be read, and closes the connection with this code.
    Broken { code: u16, reason: String },
}

/// The next frame of a client, who is taken as gone when silent for so long.
pub async fn receive(
    source: &mut SplitStream<WebSocket>,
    silent_max: Duration,
) -> Result<Message, Ended> {
    match timeout(silent_max, source.next()).await {
        Ok(Some(Ok(Message::Close(_))) | None) => Err(Ended::Closed),
        Ok(Some(Ok(frame))) => Ok(frame),
        Ok(Some(Err(error))) => {
            Err(Ended::Broken { code: close_code(&error), reason: error.to_string() })
        }
        Err(_) => Err(Ended::Silent),
    }
}

/// Waits until the client has answered the close, or ended the connection: one that ends with something
/// unread takes the close with it. Of a client that cannot be read there is no answer to wait for, only
/// time in which it may read the close.
pub async fn hear_out(mut source: SplitStream<WebSocket>, is_readable: bool) {
    if is_readable {
        let answered = async { while let Some(Ok(_)) = source.next().await {} };
        let _ = timeout(ANSWER_TIMEOUT, answered).await;
    } else {
        sleep(ANSWER_TIMEOUT).await;
    }
}

/// As much of a reason as a close frame holds.
pub fn shortened(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// With which code a connection is closed that could not be read (RFC 6455, 7.4.1).
fn close_code(error: &axum::Error) -> u16 {
    use tokio_tungstenite::tungstenite::Error as SocketError;
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    match cause {
        Some(SocketError::Capacity(_)) => 1009,
        Some(SocketError::Utf8(_)) => 1007,
        _ => 1002,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_two_characters() {
        assert_eq!(shortened("short"), "short");
        let long = "é".repeat(100);
        assert_eq!(shortened(&long).len(), 122);
    }
}
