//! How a connection ends, and what the client is told.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message};
use futures::{SinkExt as _, StreamExt as _};
use gamemesh_rpc::error::{Code, Error, to_status};
use tonic::Status;

use crate::schema::Schema;
use crate::status;

use super::{Sink, Source};

/// Close codes from here on are for applications: this one plus the gRPC code.
const STATUS_BASE: u16 = 4000;
const NORMAL: u16 = 1000;
const PROTOCOL_ERROR: u16 = 1002;
const TOO_LARGE: u16 = 1009;

/// A close frame holds this many bytes of text.
const REASON_BYTES_MAX: usize = 123;

/// How long the peer has to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) enum Ending {
    /// The service has answered in full.
    Done,
    /// The call failed, or the client sent something that is no request.
    Failed(Status),
    /// A frame was larger than this many bytes.
    TooLarge(usize),
    /// The call waits for a message that has not come in this time.
    NothingSaid(Duration),
    /// The client does not speak the protocol.
    Broken,
    /// The client closed the connection or fell silent.
    Gone,
}

impl Ending {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it stands in map_err, which gives the value"
    )]
    pub(super) fn refused(error: Error) -> Self {
        Self::Failed(to_status(&error))
    }

    /// The close code, and the status that explains it.
    fn explain(self) -> Option<(u16, Option<Status>)> {
        match self {
            Self::Done => Some((NORMAL, None)),
            Self::Failed(status) => Some((STATUS_BASE + status.code() as u16, Some(status))),
            Self::TooLarge(limit) => {
                let what = format!("a frame is larger than {limit} bytes");
                Some((TOO_LARGE, Some(to_status(&Error::new(Code::PayloadTooLarge, what)))))
            }
            Self::NothingSaid(within) => {
                let what = format!("no first frame within {} s", within.as_secs_f64());
                let status = to_status(&Error::new(Code::DeadlineExceeded, what));
                Some((STATUS_BASE + status.code() as u16, Some(status)))
            }
            Self::Broken => Some((PROTOCOL_ERROR, None)),
            Self::Gone => None,
        }
    }
}

/// Says why and closes. A JSON client gets the whole status as its last message.
pub(super) async fn close(
    schema: &Schema,
    mut sink: Sink,
    mut source: Source,
    ending: Ending,
    binary: bool,
) {
    let Some((code, status)) = ending.explain() else { return };
    let farewell = async {
        if let (Some(status), false) = (&status, binary) {
            let json = String::from_utf8(status::json(schema, status)).unwrap_or_default();
            sink.send(Message::text(format!("{{\"error\":{json}}}"))).await.ok()?;
        }
        let reason = status.as_ref().map_or("", |status| reason(status.message()));
        sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.ok()?;
        // Reading to the end lets the peer see the close frame before the connection is reset.
        while let Some(Ok(_)) = source.next().await {}
        Some(())
    };
    // A peer that does not take its farewell in time loses it.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, farewell).await;
}

fn reason(message: &str) -> &str {
    let mut end = message.len().min(REASON_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}
