//! What of a request is for one lane, on its way to whoever writes that lane.

use std::time::Duration;

use futures::future::join_all;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::LaneOwnership;
use gamemesh_repository::{Lane, Position};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Engine;
use super::ingest::Room;
use super::owners::{Brought, unowned};
use super::writer::{Submission, Written};
use crate::block::{Content, Fate};

/// How long an owner is looked for: longer than a lease, so that who waits sees the next owner.
const OWNER_WAIT_MAX: Duration = Duration::from_secs(15);

/// How long to wait before the owner is looked for again.
const OWNER_RETRY_DELAY: Duration = Duration::from_millis(50);

/// How long an answer waits until this instance has counted, too, what the owner has counted.
const FOLLOW_MAX: Duration = Duration::from_secs(2);

pub(super) struct Part {
    pub(super) lane: Lane,
    /// Of its events in the request.
    pub(super) indices: Vec<usize>,
    pub(super) content: Content,
    pub(super) bytes: usize,
    pub(super) arrived: Instant,
    pub(super) room: Room,
}

enum Placed {
    Counted(Vec<usize>, Vec<Fate>),
    NotOwned(Part),
}

impl Engine {
    /// Brings parts to those who write their lanes; answers what became of the events of each.
    pub(super) async fn place_all(
        &self,
        mut parts: Vec<Part>,
    ) -> Result<Vec<(Vec<usize>, Vec<Fate>)>> {
        let give_up = Instant::now() + OWNER_WAIT_MAX;
        let mut done = Vec::with_capacity(parts.len());
        loop {
            let placed = join_all(parts.drain(..).map(|part| self.place(part))).await;
            for placed in placed {
                match placed? {
                    Placed::Counted(indices, fates) => done.push((indices, fates)),
                    Placed::NotOwned(part) => parts.push(part),
                }
            }
            if parts.is_empty() {
                return Ok(done);
            }
            if Instant::now() >= give_up {
                return Err(unowned());
            }
            tokio::time::sleep(OWNER_RETRY_DELAY).await;
        }
    }

    async fn place(&self, part: Part) -> Result<Placed> {
        let Some(owners) = &self.owners else { return self.submit(part).await };
        match owners.of(part.lane) {
            LaneOwnership::Here(licence) => {
                drop(licence);
                self.submit(part).await
            }
            LaneOwnership::There(peer) => {
                match owners.bring(&peer, part.lane, &part.content).await? {
                    Brought::Counted(fates, position) => {
                        self.follow(part.lane, position).await;
                        Ok(Placed::Counted(part.indices, fates))
                    }
                    Brought::NotTaken => Ok(Placed::NotOwned(part)),
                }
            }
            LaneOwnership::Nobody => Ok(Placed::NotOwned(part)),
        }
    }

    async fn submit(&self, part: Part) -> Result<Placed> {
        let Part { lane, indices, content, bytes, arrived, room } = part;
        let permit = Some(room.clone());
        match self.submitted(lane, content, bytes, arrived, permit).await? {
            Ok((fates, _)) => Ok(Placed::Counted(indices, fates)),
            Err(content) => {
                Ok(Placed::NotOwned(Part { lane, indices, content, bytes, arrived, room }))
            }
        }
    }

    /// The fates and where the part is, or the part again if the lane is another's.
    async fn submitted(
        &self,
        lane: Lane,
        content: Content,
        bytes: usize,
        arrived: Instant,
        permit: Option<Room>,
    ) -> Result<Result<(Vec<Fate>, Position), Content>> {
        let draining = || Error::new(Code::NotServing, "the server is draining");
        let (reply, written) = oneshot::channel();
        let submission = Submission { content, bytes, arrived, permit, reply };
        let sent = self.writers[usize::from(lane.0)].send(submission).await;
        sent.map_err(|_| draining())?;
        match written.await.map_err(|_| draining())? {
            Written::At(position, fates) => {
                Ok(Ok((fates.await.map_err(|_| draining())?, position)))
            }
            Written::NotOwned(content) => Ok(Err(content)),
            Written::Failed(error) => Err(error),
        }
    }

    /// A part that another instance has brought: written here or not at all, so that nothing goes round.
    pub(crate) async fn take_part(
        &self,
        lane: Lane,
        content: Content,
        bytes: usize,
    ) -> Result<(Vec<Fate>, Position)> {
        let permit = self.wait_for_guest_room(bytes).await?;
        let taken = self.submitted(lane, content, bytes, Instant::now(), Some(permit)).await?;
        taken.map_err(|_| unowned())
    }

    /// Waits until this instance has counted what stands in a lane up to a position: whoever is answered
    /// here sees it here.
    async fn follow(&self, lane: Lane, position: Position) {
        self.log.refresh_tail();
        let followed = self.lanes[usize::from(lane.0)].reached(position);
        if tokio::time::timeout(FOLLOW_MAX, followed).await.is_err() {
            tracing::debug!(lane = lane.0, position, "this instance is behind the owner");
        }
    }
}
