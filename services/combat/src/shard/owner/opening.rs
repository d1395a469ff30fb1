//! Sessions that are not here yet: read from their logs, or created.

use std::sync::Arc;

use gamemesh_domain::combat::Session;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::{LaneOwnership, Licence};
use tokio::time::Instant;

use super::Owner;
use super::performing::refuse;
use super::writing::RETRY_AFTER;
use crate::create;
use crate::ids::SessionId;
use crate::recover::{EVENTS_BACK, Recovered, not_found, recover};
use crate::shard::command::{Command, Created, Creation, Reply, What};
use crate::shard::events::EventRing;
use crate::shard::hosted::{Hosted, Taken};
use crate::shard::journal::{Begun, Journal};
use crate::verdicts::Verdicts;

/// Sessions of one shard.
const SESSIONS_MAX: usize = 20_000;

/// Commands that wait for one session to be read from its log.
pub(super) const QUEUED_MAX: usize = 256;

/// A session that is being read from its log.
pub(super) struct Opening {
    pub(super) queue: Vec<Command>,
    licence: Option<Arc<Licence>>,
}

impl Owner {
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

    pub(super) fn open(&mut self, id: SessionId, command: Command) {
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

    pub(super) fn opened(&mut self, id: &SessionId, opened: Result<Option<Recovered>>) {
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
