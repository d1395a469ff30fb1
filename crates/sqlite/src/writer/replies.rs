//! What the callers are told, once it is known.

use gamemesh_repository::batch::Outcome;
use gamemesh_repository::{AppendError, LogError};
use tokio::sync::oneshot;

use super::queue::{Appendeds, Command};

/// Replies of one batch, held back until its commit.
#[derive(Default)]
pub(super) struct Replies {
    appends: Vec<AppendsReply>,
    auxiliary: Vec<AuxiliaryReply>,
}

struct AuxiliaryReply {
    to: oneshot::Sender<Result<(), LogError>>,
    result: Result<(), LogError>,
}

struct AppendsReply {
    to: oneshot::Sender<Appendeds>,
    outcomes: Vec<Outcome>,
}

impl Replies {
    pub(super) fn appends(&mut self, to: oneshot::Sender<Appendeds>, outcomes: Vec<Outcome>) {
        self.appends.push(AppendsReply { to, outcomes });
    }

    pub(super) fn auxiliary(
        &mut self,
        to: oneshot::Sender<Result<(), LogError>>,
        result: Result<(), LogError>,
    ) {
        self.auxiliary.push(AuxiliaryReply { to, result });
    }

    /// The batch is written. A caller that went away needs no reply.
    pub(super) fn send(self) {
        for AppendsReply { to, outcomes } in self.appends {
            let _ = to.send(outcomes.into_iter().map(|outcome| outcome.result).collect());
        }
        for AuxiliaryReply { to, result } in self.auxiliary {
            let _ = to.send(result);
        }
    }

    /// The batch is not written: what depended on it has failed, the rest stands.
    pub(super) fn send_failed(self, error: &LogError) {
        let told = |Outcome { result, depends_on_batch }| {
            if depends_on_batch { Err(AppendError::from(error.clone())) } else { result }
        };
        for AppendsReply { to, outcomes } in self.appends {
            let _ = to.send(outcomes.into_iter().map(told).collect());
        }
        for AuxiliaryReply { to, result } in self.auxiliary {
            let _ = to.send(result.and_then(|()| Err(error.clone())));
        }
    }

    /// Nothing was decided.
    pub(super) fn refuse(commands: Vec<Command>, error: &LogError) {
        for command in commands {
            match command {
                Command::Appends { appends, reply } => {
                    let refused = appends.iter().map(|_| Err(error.clone().into()));
                    drop(reply.send(refused.collect()));
                }
                Command::Auxiliary { reply, .. } | Command::Vacuum { reply } => {
                    drop(reply.send(Err(error.clone())));
                }
            }
        }
    }
}
