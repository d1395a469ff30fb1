//! What the callers are told, once it is known.

use gamemesh_repository::{AppendError, Appended, LogError};

use super::queue::Queued;

/// The batch is written, or there was nothing to write.
pub(super) fn send(commands: Vec<Queued>, answers: Vec<Result<Appended, AppendError>>) {
    for (command, answer) in commands.into_iter().zip(answers) {
        command.reply.send(answer);
    }
}

/// The batch came to nothing. Also a conflict was only one with lanes that were not compared.
pub(super) fn refuse(commands: Vec<Queued>, error: &LogError) {
    for command in commands {
        command.reply.send(Err(error.clone().into()));
    }
}
