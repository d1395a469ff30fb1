//! What the callers are told, once it is known.

use gamemesh_repository::{AppendError, Appended, LogError};
use tokio::sync::oneshot;

use super::queue::Command;

/// Replies of one batch, held back until its commit.
#[derive(Default)]
pub(super) struct Replies {
    appends: Vec<AppendReply>,
    sides: Vec<SideReply>,
}

struct SideReply {
    to: oneshot::Sender<Result<(), LogError>>,
    result: Result<(), LogError>,
}

struct AppendReply {
    to: oneshot::Sender<Result<Appended, AppendError>>,
    result: Result<Appended, AppendError>,
    /// Whether the result is true only if the batch is written: also a conflict can be one with an
    /// append of the same batch.
    rests: bool,
}

impl Replies {
    pub(super) fn append(
        &mut self,
        to: oneshot::Sender<Result<Appended, AppendError>>,
        result: Result<Appended, AppendError>,
        rests: bool,
    ) {
        self.appends.push(AppendReply { to, result, rests });
    }

    pub(super) fn side(
        &mut self,
        to: oneshot::Sender<Result<(), LogError>>,
        result: Result<(), LogError>,
    ) {
        self.sides.push(SideReply { to, result });
    }

    /// The batch is written. A caller that went away needs no reply.
    pub(super) fn send(self) {
        for AppendReply { to, result, .. } in self.appends {
            let _ = to.send(result);
        }
        for SideReply { to, result } in self.sides {
            let _ = to.send(result);
        }
    }

    /// The batch is not written: what rested on it has failed, the rest stands.
    pub(super) fn send_failed(self, error: &LogError) {
        for AppendReply { to, result, rests } in self.appends {
            let _ = to.send(if rests { Err(error.clone().into()) } else { result });
        }
        for SideReply { to, result } in self.sides {
            let _ = to.send(result.and_then(|()| Err(error.clone())));
        }
    }

    /// Nothing was decided.
    pub(super) fn refuse(commands: Vec<Command>, error: &LogError) {
        for command in commands {
            match command {
                Command::Append { reply, .. } => drop(reply.send(Err(error.clone().into()))),
                Command::Side { reply, .. } => drop(reply.send(Err(error.clone()))),
            }
        }
    }
}
