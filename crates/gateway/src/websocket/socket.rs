//! How a connection ends, and what the client is told.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message};
use futures::SinkExt as _;
use gamemesh_rpc::error::{Code, Error, to_status};
use gamemesh_rpc::websocket::{Ended, hear_out, shortened};
use tokio::time::timeout;
use tonic::Status;

use crate::schema::Schema;
use crate::status;

use super::{Sink, Source};

/// Close codes from here on are for applications: this one plus the gRPC code.
const STATUS_BASE: u16 = 4000;
const NORMAL: u16 = 1000;
const POLICY: u16 = 1008;
const TOO_LARGE: u16 = 1009;

/// What a client does not take of its farewell in this time it does not get.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) enum Ending {
    /// The service has answered in full.
    Done,
    /// The call failed, or the client sent something that is no request.
    Failed(Status),
    /// A frame was larger than this many bytes.
    TooLarge(usize),
    /// The call waits for a message that has not come in this time.
    NothingSaid(Duration),
    /// The client does not speak the protocol: the close code, and what it did.
    Broken(u16, String),
    /// The client answers no pings.
    Silent,
    /// The client has closed, or takes nothing more.
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

    /// Why nothing more is read, where a frame has at most so many bytes.
    pub(super) fn unreadable(ended: Ended, frame_bytes_max: usize) -> Self {
        match ended {
            Ended::Closed => Self::Gone,
            Ended::Silent => Self::Silent,
            Ended::Broken { code: TOO_LARGE, .. } => Self::TooLarge(frame_bytes_max),
            Ended::Broken { code, reason } => Self::Broken(code, reason),
        }
    }

    /// The close code, its reason, and the status that explains it to a client of JSON.
    fn explain(self) -> Option<(u16, String, Option<Status>)> {
        let explained = |code, status: Status| (code, status.message().to_owned(), Some(status));
        match self {
            Self::Done => Some((NORMAL, String::new(), None)),
            Self::Failed(status) => Some(explained(STATUS_BASE + status.code() as u16, status)),
            Self::TooLarge(limit) => {
                let what = format!("a frame is larger than {limit} bytes");
                Some(explained(TOO_LARGE, to_status(&Error::new(Code::PayloadTooLarge, what))))
            }
            Self::NothingSaid(within) => {
                let what = format!("no first frame within {} s", within.as_secs_f64());
                let status = to_status(&Error::new(Code::DeadlineExceeded, what));
                Some(explained(STATUS_BASE + status.code() as u16, status))
            }
            Self::Broken(code, reason) => Some((code, reason, None)),
            Self::Silent => Some((POLICY, "the client answers no pings".to_owned(), None)),
            Self::Gone => None,
        }
    }
}

/// Says why and closes. A JSON client gets the whole status as its last message.
pub(super) async fn close(
    schema: &Schema,
    mut sink: Sink,
    source: Source,
    ending: Ending,
    binary: bool,
) {
    let is_readable = !matches!(ending, Ending::Broken(..) | Ending::TooLarge(_));
    let farewell = async {
        if let Some((code, reason, status)) = ending.explain() {
            if let (Some(status), false) = (&status, binary) {
                let json = String::from_utf8(status::json(schema, status)).unwrap_or_default();
                sink.send(Message::text(format!("{{\"error\":{json}}}"))).await?;
            }
            let reason = shortened(&reason).into();
            sink.send(Message::Close(Some(CloseFrame { code, reason }))).await?;
        }
        // Sends the answer to the client's own close, if it was the one who began.
        sink.close().await
    };
    if timeout(FAREWELL_TIMEOUT, farewell).await.is_ok() {
        hear_out(source, is_readable).await;
    }
}
