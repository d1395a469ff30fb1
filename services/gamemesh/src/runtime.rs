//! The runtime under a command.

use gamemesh_launch::RuntimeError;

use crate::exit::{Exit, Outcome, Problem};

/// Runs a command on one thread for each processor that this process may use.
pub(crate) fn run(work: impl Future<Output = Outcome>) -> Outcome {
    run_pinned(false, work)
}

/// The same, with each of these threads on a processor of its own if they are to be pinned.
pub(crate) fn run_pinned(is_pinned: bool, work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = gamemesh_launch::runtime(is_pinned).map_err(|error| match error {
        RuntimeError::SharedProcessors { .. } => Problem::new(Exit::Config, error)
            .hint("give it processors of its own, as a cpuset does, or leave pin-threads off"),
        RuntimeError::Io(error) => Problem::failed(error),
    })?;
    runtime.block_on(work)
}
