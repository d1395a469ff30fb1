//! All shards of this process, and the way to the one that has a session.

use std::sync::Arc;
use std::thread;

use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::service::Task;
use gamemesh_rpc::trace::Correlation;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::command::{Command, Reply, What};
use super::owner::Owner;
use crate::edge::Shared;
use crate::ids::SessionId;

/// Commands that wait for one shard. A shard that is so far behind takes no more: positions are dropped,
/// everything else is told to come back.
const WAITING_MAX: usize = 8_192;

/// What a shard is sent.
#[derive(Debug)]
pub(super) enum Message {
    Command(Command),
    /// Writes everything, then answers.
    Flush(oneshot::Sender<()>),
}

/// Each shard is a thread of its own, with the sessions whose ids lead to it.
pub(crate) struct Shards {
    senders: Vec<mpsc::Sender<Message>>,
}

impl Shards {
    /// Starts so many. The tasks end when a thread does, as by a panic.
    pub(crate) fn start(count: usize, shared: &Arc<Shared>) -> Result<(Self, Vec<Task>)> {
        let mut tasks = Vec::new();
        let senders = (0..count.max(1)).map(|number| {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            let (alive, gone) = oneshot::channel::<()>();
            let shared = shared.clone();
            let main = tokio::runtime::Handle::current();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(Error::internal)?;
            thread::Builder::new()
                .name(format!("combat-{number}"))
                .spawn(move || {
                    let _alive = alive;
                    runtime.block_on(Owner::new(shared, main).run(receiver));
                })
                .map_err(Error::internal)?;
            tasks.push(Task::new("shard", async move |stop| {
                tokio::select! {
                    _ = gone => {}
                    () = stop.cancelled() => {}
                }
            }));
            Ok(sender)
        });
        let senders = senders.collect::<Result<_>>()?;
        Ok((Self { senders }, tasks))
    }

    fn sender(&self, session: &SessionId) -> &mpsc::Sender<Message> {
        &self.senders[(session.spread() % self.senders.len() as u64) as usize]
    }

    /// Asks the owner of a session and waits for his answer.
    pub(crate) async fn ask<T>(
        &self,
        session: SessionId,
        make: impl FnOnce(Reply<T>) -> What,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        if !self.offer(session, make(reply), Correlation::current()) {
            return Err(busy());
        }
        answer
            .await
            .map_err(|_| Error::new(Code::NotServing, "the session is moving; try again"))?
    }

    /// Hands a command over, if there is room for it.
    pub(crate) fn offer(
        &self,
        session: SessionId,
        what: What,
        correlation: Option<Correlation>,
    ) -> bool {
        let sender = self.sender(&session);
        sender.try_send(Message::Command(Command { session, what, correlation })).is_ok()
    }

    /// Hands a command over that must arrive, whenever there is room.
    pub(crate) fn post(&self, session: SessionId, what: What) {
        let sender = self.sender(&session).clone();
        let message = Message::Command(Command { session, what, correlation: None });
        if let Err(mpsc::error::TrySendError::Full(message)) = sender.try_send(message)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { sender.send(message).await });
        }
    }

    /// Writes everything that is not written.
    pub(crate) async fn flush(&self) {
        let mut flushing = JoinSet::new();
        for sender in &self.senders {
            let sender = sender.clone();
            flushing.spawn(async move {
                let (done, wait) = oneshot::channel();
                if sender.send(Message::Flush(done)).await.is_ok() {
                    let _ = wait.await;
                }
            });
        }
        while flushing.join_next().await.is_some() {}
    }
}

fn busy() -> Error {
    Error::new(Code::Overloaded, "the session's owner is busy")
        .with_retry_after(std::time::Duration::from_millis(50))
}
