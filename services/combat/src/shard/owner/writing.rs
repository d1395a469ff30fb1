//! Blocks of sessions, written; and sessions that another instance has, given up.

use std::time::Duration;

use gamemesh_domain::{Code, Error};
use gamemesh_repository::{AppendError, Appended, LogError};
use tokio::time::Instant;

use super::Owner;
use crate::ids::SessionId;
use crate::shard::journal::Write;
use crate::shard::traces;

/// When whoever asks for a session that is not here may ask again.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(500);

impl Owner {
    /// Writes the next block of a session, if it is time.
    pub(super) fn write(&mut self, id: &SessionId) {
        let Some(hosted) = self.sessions.get_mut(id) else { return };
        if hosted.has_lost() {
            return self.let_go(id);
        }
        self.append(id);
    }

    /// Gives a session up that another instance has, or may have by now. What is not written is offered to
    /// the log a last time, under the fence that it was written under before: nobody can have read the log
    /// without it and gone on, or the log refuses it.
    pub(super) fn let_go(&mut self, id: &SessionId) {
        let Some(hosted) = self.sessions.get_mut(id) else { return };
        hosted.withdraw();
        if !hosted.is_written() {
            self.append(id);
            let Some(hosted) = self.sessions.get(id) else { return };
            if hosted.is_writing() {
                return;
            }
        }
        self.lose(id, &moved());
    }

    fn append(&mut self, id: &SessionId) {
        let Some(hosted) = self.sessions.get_mut(id) else { return };
        let Some(Write { append, last, causes }) = hosted.write(Instant::now()) else { return };
        let spans = traces::block(id, last, &causes);
        // The append takes its place in the log's queue now, and runs where the log lives.
        let guard = self.main.enter();
        let written = self.shared.log.append(append);
        let written = self.main.spawn(written);
        drop(guard);
        let id = id.clone();
        self.writes.push(Box::pin(async move {
            let lost = |_| Err(AppendError::Log(LogError::Internal("the write has ended".into())));
            let written = written.await.unwrap_or_else(lost);
            drop(spans);
            (id, written)
        }));
    }

    pub(super) fn written(&mut self, id: &SessionId, written: Result<Appended, AppendError>) {
        let now = Instant::now();
        let Some(hosted) = self.sessions.get_mut(id) else { return };
        match written {
            Ok(_) => {
                hosted.written(now);
                self.write(id);
            }
            Err(AppendError::Conflict { .. } | AppendError::Log(LogError::Fenced)) => {
                self.lose(id, &moved());
            }
            Err(AppendError::Log(error)) => {
                tracing::warn!(session = %id, %error, "a block could not be written");
                if !hosted.failed(now) {
                    self.lose(id, &error.into());
                }
            }
            Err(error) => {
                tracing::error!(session = %id, %error, "a block was refused");
                self.lose(id, &error.into());
            }
        }
        self.answer_flushes();
    }

    pub(super) fn lose(&mut self, id: &SessionId, error: &Error) {
        tracing::warn!(session = %id, %error, "a session is given up");
        self.shared.metrics.sessions_lost.inc();
        if let Some(mut hosted) = self.sessions.remove(id) {
            hosted.lose(error);
            self.numbers.retain(|_, known| known != id);
            self.shared.metrics.active_sessions.dec();
        }
        self.answer_flushes();
    }
}

/// What whoever asked meanwhile is told of a session that is given up.
pub(super) fn moved() -> Error {
    Error::new(Code::NotServing, "another instance has the session").with_retry_after(RETRY_AFTER)
}
