//! The loop of a shard: ticks on time, commands as they come, writes beside both.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use gamemesh_domain::combat::Session;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::{LaneOwnership, Licence};
use gamemesh_repository::{AppendError, Appended, LogError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::calendar::Calendar;
use super::command::{Command, Created, Creation, Reply, What};
use super::events::EventRing;
use super::hosted::{Hosted, Taken};
use super::journal::{Begun, Journal, Write};
use super::shards::Message;
use super::traces;
use crate::create;
use crate::edge::Shared;
use crate::ids::SessionId;
use crate::recover::{EVENTS_BACK, Recovered, not_found, recover};
use crate::verdicts::Verdicts;

/// Sessions of one shard.
const SESSIONS_MAX: usize = 20_000;

/// Commands that wait for one session to be read from its log.
const QUEUED_MAX: usize = 256;

/// Commands that are taken between two looks at the clock.
const COMMANDS_AT_ONCE: usize = 64;

/// When whoever asks for a session that is not here may ask again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Ticks that are made between two looks at the commands.
const TICKS_AT_ONCE: usize = 64;

type Written = (SessionId, Result<Appended, AppendError>);
type Opened = (SessionId, Result<Option<Recovered>>);

/// A session that is being read from its log.
struct Opening {
    queue: Vec<Command>,
    licence: Option<Arc<Licence>>,
}

pub(super) struct Owner {
    shared: Arc<Shared>,
    /// Where reads and writes of the log run.
    main: Handle,
    sessions: HashMap<SessionId, Hosted>,
    /// The calendar's numbers of the sessions.
    numbers: HashMap<u64, SessionId>,
    next_number: u64,
    calendar: Calendar,
    opening: HashMap<SessionId, Opening>,
    openings: FuturesUnordered<BoxFuture<'static, Opened>>,
    writes: FuturesUnordered<BoxFuture<'static, Written>>,
    flushing: Vec<oneshot::Sender<()>>,
}

impl Owner {
    pub(super) fn new(shared: Arc<Shared>, main: Handle) -> Self {
        Self {
            shared,
            main,
            sessions: HashMap::new(),
            numbers: HashMap::new(),
            next_number: 0,
            calendar: Calendar::default(),
            opening: HashMap::new(),
            openings: FuturesUnordered::new(),
            writes: FuturesUnordered::new(),
            flushing: Vec::new(),
        }
    }

    /// Runs until nobody can send any more.
    pub(super) async fn run(mut self, mut receiver: mpsc::Receiver<Message>) {
        loop {
            let due = self.calendar.next();
            tokio::select! {
                // Time goes first, so that a flood of commands does not hold up the others' ticks.
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.ticks(),
                Some((session, written)) = self.writes.next(), if !self.writes.is_empty() => {
                    self.written(&session, written);
                }
                Some((session, opened)) = self.openings.next(), if !self.openings.is_empty() => {
                    self.opened(&session, opened);
                }
                message = receiver.recv() => {
                    let Some(message) = message else { return };
                    self.take(message);
                    for _ in 0..COMMANDS_AT_ONCE {
                        let Ok(message) = receiver.try_recv() else { break };
                        self.take(message);
                    }
                }
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Command(command) => self.handle(command),
            Message::Flush(done) => {
                self.flushing.push(done);
                let ids: Vec<SessionId> = self.sessions.keys().cloned().collect();
                for id in ids {
                    if let Some(hosted) = self.sessions.get_mut(&id) {
                        hosted.hurry();
                    }
                    self.write(&id);
                }
                self.answer_flushes();
            }
        }
    }

    fn answer_flushes(&mut self) {
        if !self.flushing.is_empty() && self.sessions.values().all(Hosted::is_written) {
            for done in self.flushing.drain(..) {
                let _ = done.send(());
            }
        }
    }

    fn ticks(&mut self) {
        for _ in 0..TICKS_AT_ONCE {
            let now = Instant::now();
            let Some(number) = self.calendar.pop(now) else { return };
            let Some(id) = self.numbers.get(&number).cloned() else { continue };
            let Some(hosted) = self.sessions.get_mut(&id) else { continue };
            // An instance that was paused finds out here, before it shows anything.
            if hosted.has_lost() {
                self.let_go(&id);
                continue;
            }
            hosted.tick(now);
            if hosted.is_done(now) {
                self.forget(&id, number);
                continue;
            }
            self.calendar.put(hosted.pace.due(), number);
            self.write(&id);
        }
    }

    fn forget(&mut self, id: &SessionId, number: u64) {
        self.sessions.remove(id);
        self.numbers.remove(&number);
        self.shared.metrics.active_sessions.dec();
    }

    /// Writes the next block of a session, if it is time.
    fn write(&mut self, id: &SessionId) {
        let Some(hosted) = self.sessions.get_mut(id) else { return };
        if hosted.has_lost() {
            return self.let_go(id);
        }
        self.append(id);
    }

    /// Gives a session up that another instance has, or may have by now. What is not written is offered to
    /// the log a last time, under the fence that it was written under before: nobody can have read the log
    /// without it and gone on, or the log refuses it.
    fn let_go(&mut self, id: &SessionId) {
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

    fn written(&mut self, id: &SessionId, written: Result<Appended, AppendError>) {
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

    fn lose(&mut self, id: &SessionId, error: &Error) {
        tracing::warn!(session = %id, %error, "a session is given up");
        self.shared.metrics.sessions_lost.inc();
        if let Some(mut hosted) = self.sessions.remove(id) {
            hosted.lose(error);
            self.numbers.retain(|_, known| known != id);
            self.shared.metrics.active_sessions.dec();
        }
        self.answer_flushes();
    }

    fn handle(&mut self, command: Command) {
        let now = Instant::now();
        let id = command.session.clone();
        if let Some(hosted) = self.sessions.get_mut(&id) {
            if hosted.has_lost() {
                self.let_go(&id);
                return refuse(command.what, &moved());
            }
            perform(hosted, command, now);
            self.write(&id);
            return;
        }
        // The end of a connection to a session that is not here any more is nobody's business.
        if matches!(command.what, What::Detach { .. }) {
            return;
        }
        match self.opening.get_mut(&id) {
            Some(opening) if opening.queue.len() < QUEUED_MAX => opening.queue.push(command),
            Some(_) => {
                refuse(command.what, &Error::new(Code::Overloaded, "the session is opening"));
            }
            None => self.open(id, command),
        }
    }

    /// The right to have a session; `None` where nobody shares the log.
    fn licence(&self, id: &SessionId) -> Result<Option<Arc<Licence>>> {
        let Some(ownership) = &self.shared.ownership else { return Ok(None) };
        match ownership.owner(id.stream().lane(ownership.lanes())) {
            LaneOwnership::Here(licence) => Ok(Some(Arc::new(licence))),
            LaneOwnership::There(_) => {
                Err(Error::new(Code::NotServing, "another instance has the session"))
            }
            LaneOwnership::Nobody => {
                Err(Error::new(Code::NotServing, "nobody has the session at the moment"))
            }
        }
        .map_err(|error| error.with_retry_after(RETRY_AFTER))
    }

    fn open(&mut self, id: SessionId, command: Command) {
        if self.sessions.len() + self.opening.len() >= SESSIONS_MAX {
            let what = format!("a shard has {SESSIONS_MAX} sessions");
            return refuse(command.what, &Error::new(Code::Overloaded, what));
        }
        let licence = match self.licence(&id) {
            Ok(licence) => licence,
            Err(error) => return refuse(command.what, &error),
        };
        self.opening.insert(id.clone(), Opening { queue: vec![command], licence });
        let shared = self.shared.clone();
        let reading = id.clone();
        let recovered =
            self.main.spawn(async move { recover(&shared, &reading, EVENTS_BACK).await });
        self.openings.push(Box::pin(async move {
            let lost = |error| Err(Error::internal(error));
            (id, recovered.await.unwrap_or_else(lost))
        }));
    }

    fn opened(&mut self, id: &SessionId, opened: Result<Option<Recovered>>) {
        let Some(Opening { queue, mut licence }) = self.opening.remove(id) else { return };
        let now = Instant::now();
        match opened {
            Ok(Some(recovered)) => {
                let hosted = self.host(id, recovered, licence.take(), now);
                self.put(id, hosted, now);
            }
            Ok(None) => {}
            Err(error) => {
                queue.into_iter().for_each(|command| refuse(command.what, &error));
                return;
            }
        }
        for command in queue {
            match command.what {
                What::Create(creation, reply) if !self.sessions.contains_key(id) => {
                    self.create(id, &creation, reply, licence.take(), now);
                }
                what if !self.sessions.contains_key(id) => refuse(what, &not_found(id)),
                what => self.handle(Command { what, ..command }),
            }
        }
    }

    fn host(
        &self,
        id: &SessionId,
        recovered: Recovered,
        licence: Option<Arc<Licence>>,
        now: Instant,
    ) -> Hosted {
        let fence = licence.as_ref().map(|licence| licence.granted());
        let Recovered { state, content, header, mut events, verdicts, version } = recovered;
        // Where nobody counts the owners the clock tells them apart, also those who wrote nothing.
        let now_us = u64::try_from(self.shared.clock.now_micros()).unwrap_or(0);
        let epoch = fence.map_or(now_us.max(version + 1), |fence| fence.epoch);
        events.begins(epoch);
        let (durable, hash) = (state.version, state.created.content.to_string());
        let begun = Begun { version, epoch, durable, events: events.last(), fence };
        let journal = Journal::new(id.stream(), begun, header, hash);
        let id = id.clone();
        let taken = Taken { id, content, state, events, verdicts, journal, epoch, licence };
        Hosted::take_up(taken, self.shared.clone(), now)
    }

    fn create(
        &mut self,
        id: &SessionId,
        creation: &Creation,
        reply: Reply<Created>,
        licence: Option<Arc<Licence>>,
        now: Instant,
    ) {
        let content = self.shared.contents.present().clone();
        let made = create::first_record(id, creation, &content);
        let made = made.and_then(|record| Ok((Session::begin(&record)?, record)));
        let (state, record) = match made {
            Ok(made) => made,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        let header = create::header(creation, self.shared.clock.now_micros());
        let hash = content.hash().to_string();
        let fence = licence.as_ref().map(|licence| licence.granted());
        let epoch = fence.map_or(1, |fence| fence.epoch);
        let begun = Begun { version: 0, epoch, durable: 0, events: 0, fence };
        let journal = Journal::new(id.stream(), begun, header, hash);
        let taken = Taken {
            id: id.clone(),
            content,
            state,
            events: EventRing::of(epoch),
            verdicts: Some(Verdicts::default()),
            journal,
            epoch,
            licence,
        };
        let mut hosted = Hosted::take_up(taken, self.shared.clone(), now);
        hosted.begun(record, reply, now);
        self.shared.metrics.sessions_created.inc();
        self.put(id, hosted, now);
        self.write(id);
    }

    fn put(&mut self, id: &SessionId, hosted: Hosted, now: Instant) {
        let number = self.next_number;
        self.next_number += 1;
        self.calendar.put(hosted.pace.due().max(now), number);
        self.numbers.insert(number, id.clone());
        self.sessions.insert(id.clone(), hosted);
        self.shared.metrics.active_sessions.inc();
    }
}

/// What whoever asked meanwhile is told of a session that is given up.
fn moved() -> Error {
    Error::new(Code::NotServing, "another instance has the session").with_retry_after(RETRY_AFTER)
}

/// Does what a session is asked to do.
fn perform(hosted: &mut Hosted, command: Command, now: Instant) {
    let correlation = command.correlation.as_ref();
    match command.what {
        What::Create(creation, reply) => {
            let _ = reply.send(hosted.created_again(&creation));
        }
        What::Get(reply) => {
            let _ = reply.send(Ok(hosted.present(now)));
        }
        What::Update(changes, reply) => hosted.update(&changes, reply, now, correlation),
        What::Join(join, reply) => hosted.join(&join, reply, now, correlation),
        What::Leave { player, why, reply } => {
            hosted.leave(&player, why, reply, now, correlation);
        }
        What::Attach(attach, reply) => hosted.attach(attach, reply, now, correlation),
        What::Detach { player, connection } => hosted.detach(&player, connection, now),
        What::Act(act) => hosted.act(*act, now, correlation),
        What::Missed { after, up_to, reply } => {
            let _ = reply.send(Ok(hosted.missed(after, up_to)));
        }
        What::Subscribe { after, events, reply } => hosted.subscribe(after, events, reply),
    }
}

/// Tells whoever asked that it cannot be done.
fn refuse(what: What, error: &Error) {
    fn no<T>(reply: Reply<T>, error: &Error) {
        let _ = reply.send(Err(error.clone()));
    }
    match what {
        What::Create(_, reply) => no(reply, error),
        What::Get(reply) => no(reply, error),
        What::Update(_, reply) => no(reply, error),
        What::Join(_, reply) => no(reply, error),
        What::Leave { reply, .. } => no(reply, error),
        What::Attach(_, reply) => no(reply, error),
        What::Act(act) => super::hosted::refuse(act.origin, error),
        What::Missed { reply, .. } => no(reply, error),
        What::Subscribe { reply, .. } => no(reply, error),
        What::Detach { .. } => {}
    }
}
