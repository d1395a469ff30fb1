//! Keeps the lease, takes the lanes that belong to this instance, and gives away those that do not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gamemesh_repository::{Lane, LaneLeases, LogError, Member, Moves, Roster, Term};
use gamemesh_rpc::peer::Peer;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::view::{Seat, View};
use super::{Lanes, OwnedLanes};

/// A lease is renewed after three tenths of it: two renewals may fail before it is over.
const RENEWAL: f64 = 0.3;

/// How often an instance looks who is there, in parts of a lease.
const LOOKS_PER_LEASE: u32 = 20;

/// How long the store may take to answer, in parts of a lease.
const ANSWERS_PER_LEASE: u32 = 3;

/// How long the writes of a lane that is handed over may take to end, in parts of a lease. What has
/// not ended by then is refused by the lane's new epoch, and decided anew.
const RESTS_PER_LEASE: u32 = 10;

/// How long going may take in all.
const LEAVE_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Keeper {
    me: Member,
    leases: Arc<dyn LaneLeases>,
    lease: Duration,
    lanes: Arc<Lanes>,
    peers: HashMap<Uuid, Arc<Peer>>,
    term: Term,
    /// When the renewal was sent by which the lease holds.
    renewed: Option<Instant>,
    /// Whether the last round failed, so that an outage is told once.
    failing: bool,
}

impl Keeper {
    pub(crate) fn new(owned: OwnedLanes, lanes: Arc<Lanes>) -> Self {
        let OwnedLanes { leases, address, lease, .. } = owned;
        Self {
            me: Member { id: Uuid::new_v4(), address },
            leases,
            lease,
            lanes,
            peers: HashMap::new(),
            term: Term::over(Instant::now()),
            renewed: None,
            failing: false,
        }
    }

    /// Runs until the process begins to stop; then everything goes to those who stay.
    pub(crate) async fn run(mut self, draining: CancellationToken) {
        loop {
            self.round().await;
            tokio::select! {
                () = draining.cancelled() => break,
                () = self.lanes.found_over.notified() => {}
                () = sleep(self.lease / LOOKS_PER_LEASE) => {}
            }
        }
        if timeout(LEAVE_MAX, self.leave()).await.is_err() {
            tracing::warn!(
                "the lanes could not be given away in time; they are free when the lease ends"
            );
        }
    }

    /// Looks who is there, renews when it is time, and acts on what it finds.
    pub(super) async fn round(&mut self) {
        match self.look().await {
            Ok(roster) => {
                self.failing = false;
                self.act(roster).await;
            }
            Err(error) if self.failing => tracing::debug!(%error, "looking after the lanes"),
            Err(error) => {
                self.failing = true;
                tracing::warn!(%error, "looking after the lanes");
            }
        }
        let now = Instant::now();
        if self.term.is_over(now) {
            self.lanes.publish(View::unknown(self.lanes.count(), now));
        }
        let age = self.renewed.map_or(0.0, |renewed| (now - renewed).as_secs_f64());
        self.lanes.metrics.lease_age_seconds.set(age);
    }

    async fn look(&mut self) -> Result<Roster, LogError> {
        let sent = Instant::now();
        let due = self.renewed.is_none_or(|renewed| sent >= renewed + self.lease.mul_f64(RENEWAL));
        if !due {
            let roster = self.timely(self.leases.roster()).await?;
            if roster.member(self.me.id).is_some() {
                return Ok(roster);
            }
        }
        let roster = self.timely(self.leases.renew(&self.me, self.lease)).await?;
        self.renewed = Some(sent);
        self.term = Term::granted(sent, self.lease);
        Ok(roster)
    }

    async fn act(&mut self, mut roster: Roster) {
        self.meet(&roster);
        // At once, for those who wait to know: taking a lane waits for the batch that is at work.
        self.lanes.publish(View::new(self.seats(&roster), self.term));
        let moves = Moves::of(self.me.id, &roster);
        if moves == Moves::default() {
            return;
        }
        let Moves { claim, hand_over } = moves;
        for lane in claim {
            match self.timely(self.leases.claim(self.me.id, lane)).await {
                Ok(Some(epoch)) => {
                    let taken = &mut roster.lanes[usize::from(lane.0)];
                    (taken.owner, taken.epoch) = (Some(self.me.id), epoch);
                    self.lanes.metrics.takeovers.inc();
                    tracing::info!(lane = lane.0, epoch, "owns a lane");
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(lane = lane.0, %error, "a lane could not be taken"),
            }
        }
        for (lane, to) in &hand_over {
            roster.lanes[usize::from(lane.0)].owner = Some(*to);
        }
        self.lanes.publish(View::new(self.seats(&roster), self.term));
        self.give(&hand_over).await;
    }

    /// Gives lanes to others, to whom calls go already.
    async fn give(&self, lanes: &[(Lane, Uuid)]) {
        let resting = join_all(lanes.iter().map(|(lane, _)| self.lanes.rest(*lane)));
        let _ = timeout(self.lease / RESTS_PER_LEASE, resting).await;
        for (lane, to) in lanes {
            match self.timely(self.leases.hand_over(self.me.id, *lane, *to)).await {
                Ok(true) => tracing::info!(lane = lane.0, %to, "handed a lane over"),
                Ok(false) => {}
                Err(error) => tracing::warn!(lane = lane.0, %error, "handing a lane over"),
            }
        }
    }

    async fn leave(&mut self) {
        let now = Instant::now();
        match self.timely(self.leases.roster()).await {
            Ok(mut roster) => {
                let moves = Moves::to_leave(self.me.id, &roster);
                for lane in &mut roster.lanes {
                    lane.owner = lane.owner.filter(|owner| *owner != self.me.id);
                }
                for (lane, to) in &moves.hand_over {
                    roster.lanes[usize::from(lane.0)].owner = Some(*to);
                }
                self.meet(&roster);
                self.lanes.publish(View::left(self.seats(&roster), now));
                self.give(&moves.hand_over).await;
            }
            Err(error) => {
                tracing::warn!(%error, "looking who takes the lanes");
                self.lanes.publish(View::unknown(self.lanes.count(), now));
            }
        }
        if let Err(error) = self.timely(self.leases.leave(self.me.id)).await {
            tracing::warn!(%error, "ending the lease");
        }
    }

    /// Knows the others who are there, and forgets those who are not.
    fn meet(&mut self, roster: &Roster) {
        let mut before = std::mem::take(&mut self.peers);
        for Member { id, address } in roster.members.iter().filter(|m| m.id != self.me.id) {
            let known = before.remove(id).filter(|peer| peer.address() == address);
            let peer = known.map_or_else(|| Peer::new(address), Ok);
            match peer {
                Ok(peer) => {
                    self.peers.insert(*id, peer);
                }
                Err(error) => tracing::warn!(address, %error, "an instance cannot be called"),
            }
        }
    }

    fn seats(&self, roster: &Roster) -> Vec<Seat> {
        let seat = |owner: Option<Uuid>| match owner {
            Some(owner) if owner == self.me.id => Seat::Mine,
            Some(owner) => self.peers.get(&owner).cloned().map_or(Seat::Free, Seat::Theirs),
            None => Seat::Free,
        };
        roster.lanes.iter().map(|lane| seat(lane.owner)).collect()
    }

    /// A store that answers too late has not answered.
    async fn timely<T>(
        &self,
        asked: impl Future<Output = Result<T, LogError>>,
    ) -> Result<T, LogError> {
        timeout(self.lease / ANSWERS_PER_LEASE, asked)
            .await
            .unwrap_or_else(|_| Err(LogError::Unavailable("no answer in time".to_owned())))
    }
}
