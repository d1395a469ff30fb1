//! Background work, and how it ended.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gamemesh_repository::fault_fails;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

type Run = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>;

/// A background task of a role. It is expected to run until its token is cancelled.
pub struct Task {
    /// Unique in the process: the role's name stands before what the role calls it.
    pub name: Cow<'static, str>,
    run: Run,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEnd {
    pub name: Cow<'static, str>,
    /// What a task that panicked said; `None`: it returned.
    pub panic: Option<String>,
}

impl Task {
    pub fn new<F>(
        name: &'static str,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { name: name.into(), run: Box::new(move |stop| Box::pin(run(stop))) }
    }

    /// The task of this role.
    pub(super) fn of(self, role: &str) -> Self {
        Self { name: format!("{role} {}", self.name).into(), ..self }
    }

    /// Work that has begun already, since the service needs it before it is mounted. It ends by what its
    /// owner tells it.
    pub fn running(name: &'static str, work: JoinHandle<()>) -> Self {
        Self::new(name, async move |_| {
            // Nobody aborts it, so an error is a panic, which goes on here.
            if let Err(error) = work.await
                && let Ok(panic) = error.try_into_panic()
            {
                resume_unwind(panic);
            }
        })
    }

    /// Runs the task to its end, whichever it is. `GAMEMESH_FAULT=task.<name>` makes it panic once the
    /// process has begun to serve.
    pub async fn supervised(self, stop: CancellationToken, serving: CancellationToken) -> TaskEnd {
        let Self { name, run } = self;
        let killed = fault_fails(&format!("task.{name}"));
        let work = AssertUnwindSafe(async move {
            let work = run(stop);
            if !killed {
                return work.await;
            }
            tokio::select! {
                () = work => {}
                () = serving.cancelled() => panic!("killed by a test"),
            }
        });
        let panic = work.catch_unwind().await.err().map(|panic| text(&*panic));
        TaskEnd { name, panic }
    }
}

/// What a panic said.
fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}

impl fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, panic } = self;
        match panic {
            Some(panic) => write!(f, "the background task {name} panicked: {panic}"),
            None => write!(f, "the background task {name} ended"),
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn end(task: Task) -> TaskEnd {
        task.supervised(CancellationToken::new(), CancellationToken::new()).await
    }

    #[tokio::test]
    async fn every_end_is_told_with_the_name() {
        let ended = end(Task::new("relay", |_| async {})).await;
        assert_eq!(ended.to_string(), "the background task relay ended");
        let panicked = end(Task::new("relay", |_| async { panic!("at lane {}", 3) })).await;
        assert_eq!(panicked.to_string(), "the background task relay panicked: at lane 3");
        let early = end(Task::new("relay", |_| -> std::future::Ready<()> { panic!("at once") }));
        assert_eq!(early.await.panic.as_deref(), Some("at once"));
        let running = tokio::spawn(async { panic!("long since") });
        let running = end(Task::running("relay", running)).await;
        assert_eq!(running.to_string(), "the background task relay panicked: long since");
    }
}
