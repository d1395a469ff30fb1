//! The loop of a shard: ticks on time, commands as they come, writes beside both.

mod opening;
mod performing;
mod writing;

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{AppendError, Appended};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use self::opening::{Opening, QUEUED_MAX};
use self::performing::{perform, refuse};
use self::writing::moved;
use super::calendar::Calendar;
use super::command::{Command, What};
use super::hosted::Hosted;
use super::shards::Message;
use crate::edge::Shared;
use crate::ids::SessionId;
use crate::recover::Recovered;

/// Commands that are taken between two looks at the clock.
const COMMANDS_AT_ONCE: usize = 64;

/// Ticks that are made between two looks at the commands.
const TICKS_AT_ONCE: usize = 64;

type Written = (SessionId, Result<Appended, AppendError>);
type Opened = (SessionId, Result<Option<Recovered>>);

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
}
