//! Sending: the attempts of a call, until there is an answer, a refusal, or no use in another one.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::state::v1::state_service_client::StateServiceClient;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::call::{Incoming, Outgoing};
use crate::instances::{Instances, Place, Tried};
use crate::retry::{self, Budget, Failed, Next};
use crate::session::Session;
use crate::{Client, ClientOptions, Error, Result};

pub(crate) type Stub = StateServiceClient<Channel>;

/// What the clones of a client share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) instances: Arc<Instances>,
    pub(crate) options: ClientOptions,
    pub(crate) authorization: Option<MetadataValue<Ascii>>,
    pub(crate) budget: Budget,
    pub(crate) session: Session,
}

impl Client {
    /// Sends a call and, where that is safe and can help, sends it again.
    pub(crate) async fn call<Req, Res, F>(&self, mut message: Req, send: F) -> Result<Res>
    where
        Req: Outgoing,
        Res: Incoming,
        F: AsyncFn(Stub, Request<Req>) -> Result<Response<Res>, Status>,
    {
        let Shared { instances, options, budget, session, .. } = &*self.shared;
        let remembers = message.prepare(session, options.idempotency_keys);
        let place = instances.place(message.aggregate());
        let ends = Instant::now() + options.deadline;
        let mut tried = Tried::default();
        let (mut attempt, mut waits) = (1, 0);
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            let at = instances.choose(place, tried);
            tried.add(at);
            let error = match self.hedged(&message, place, &mut tried, at, left, &send).await {
                Ok(answer) => {
                    budget.earn();
                    let written = message.keys().into_iter().zip(answer.written());
                    written.for_each(|(key, (version, token))| session.wrote(key, version, token));
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if remembers && error.reason == "TOKEN_FOREIGN" {
                // What was written is not there any more, as the caller is told, once.
                session.forget();
            }
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // The channel's own timer may have ended the attempt, which looks like a break.
                return Err(deadline_passed(options.deadline));
            }
            let (repeatable, another) = (message.is_repeatable(), instances.has_other(tried));
            let failed = Failed { attempt, waits, repeatable, another, left };
            match retry::next(&options.retry, &error, failed, rand::random()) {
                Next::Elsewhere { paid: false } => {}
                Next::Elsewhere { paid: true } if budget.spend() => {}
                Next::Pause(pause) if budget.spend() => {
                    tokio::time::sleep(pause).await;
                    tried = Tried::only(at);
                }
                Next::Wait(pause) => {
                    tokio::time::sleep(pause).await;
                    tried = Tried::default();
                    waits += 1;
                    continue;
                }
                _ => return Err(error),
            }
            attempt += 1;
        }
    }

    /// One attempt; a read that takes long goes to a second instance too, and the first answer counts.
    async fn hedged<Req, Res, F>(
        &self,
        message: &Req,
        place: Place,
        tried: &mut Tried,
        at: usize,
        left: Duration,
        send: &F,
    ) -> Result<Res>
    where
        Req: Outgoing,
        F: AsyncFn(Stub, Request<Req>) -> Result<Response<Res>, Status>,
    {
        let Shared { instances, options, budget, .. } = &*self.shared;
        let first = self.attempt(message, at, left, send);
        let Some(after) = options.retry.hedge_reads_after.filter(|_| message.is_read()) else {
            return first.await;
        };
        let mut first = Box::pin(first);
        if let Ok(outcome) = tokio::time::timeout(after, &mut first).await {
            return outcome;
        }
        if !instances.has_other(*tried) || !budget.spend() {
            return first.await;
        }
        let other = instances.choose(place, *tried);
        tried.add(other);
        let second = Box::pin(self.attempt(message, other, left.saturating_sub(after), send));
        match futures::future::select_ok([first, second]).await {
            Ok((answer, _)) => Ok(answer),
            Err(error) => Err(error),
        }
    }

    /// Sends a message to one instance.
    async fn attempt<Req, Res, F>(
        &self,
        message: &Req,
        at: usize,
        left: Duration,
        send: &F,
    ) -> Result<Res>
    where
        Req: Outgoing,
        F: AsyncFn(Stub, Request<Req>) -> Result<Response<Res>, Status>,
    {
        let Shared { instances, options, .. } = &*self.shared;
        let mut request = self.authorized(message.clone());
        request.set_timeout(left);
        match tokio::time::timeout(left, send(instances.stub(at), request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.failed(at, status.into())),
            Err(_) => {
                // Whether it hangs or is only slow is found out while other calls go elsewhere.
                instances.let_rest(at);
                Err(deadline_passed(options.deadline))
            }
        }
    }

    /// Opens a stream of answers, in one attempt. Answers also which instance it comes from.
    pub(crate) async fn open<M, Res, F>(
        &self,
        place: Place,
        message: M,
        send: F,
    ) -> Result<(Streaming<Res>, usize)>
    where
        F: AsyncFnOnce(Stub, Request<M>) -> Result<Response<Streaming<Res>>, Status>,
    {
        let instances = &self.shared.instances;
        let at = instances.choose(place, Tried::default());
        match send(instances.stub(at), self.authorized(message)).await {
            Ok(opened) => Ok((opened.into_inner(), at)),
            Err(status) => Err(self.failed(at, status.into())),
        }
    }

    /// The error of an instance, which rests if it is gone.
    pub(crate) fn failed(&self, at: usize, error: Error) -> Error {
        if error.is_gone() {
            self.shared.instances.let_rest(at);
        }
        error
    }

    fn authorized<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.shared.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }
}

fn deadline_passed(deadline: Duration) -> Error {
    Error {
        reason: "DEADLINE_EXCEEDED".into(),
        ..Error::local(Code::DeadlineExceeded, format!("no answer within {deadline:?}"))
    }
}
