//! Renews the lease, claims the lanes that are assigned to this instance, and hands over those that are not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gamemesh_repository::{
    Lane, LaneLeases, LaneOwner, LocalLease, LogError, Member, Membership, Moves,
};
use gamemesh_rpc::peer::Peer;
use gamemesh_rpc::tls::Connector;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::snapshot::{Owner, OwnershipSnapshot};
use crate::{OwnedLanes, Ownership};

/// A lease is renewed after three tenths of it: two renewals may fail before it is over.
const RENEWAL: f64 = 0.3;

/// How often an instance reads the membership, in parts of a lease.
const ROUNDS_PER_LEASE: u32 = 20;

/// How long the store may take to answer, in parts of a lease.
const ANSWERS_PER_LEASE: u32 = 3;

/// How long the writes of a lane that is handed over may take to end, in parts of a lease. What has
/// not ended by then is refused by the lane's new epoch, and decided anew.
const IDLE_WAITS_PER_LEASE: u32 = 10;

/// How long leaving may take in all.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// Keeps one instance a member, and its lanes with it.
pub struct LeaseManager {
    me: Member,
    leases: Arc<dyn LaneLeases>,
    lease: Duration,
    ownership: Arc<Ownership>,
    peers: HashMap<Uuid, Arc<Peer>>,
    connector: Connector,
    local_lease: LocalLease,
    /// When the renewal was sent that the lease rests on.
    renewed: Option<Instant>,
    /// Whether the last round failed, so that an outage is logged once.
    failing: bool,
}

impl LeaseManager {
    pub fn new(owned: OwnedLanes, ownership: Arc<Ownership>) -> Self {
        let OwnedLanes { leases, address, lease, connector, .. } = owned;
        Self {
            me: Member { id: Uuid::new_v4(), address },
            leases,
            lease,
            ownership,
            peers: HashMap::new(),
            connector,
            local_lease: LocalLease::over(Instant::now()),
            renewed: None,
            failing: false,
        }
    }

    /// Runs until the process begins to stop; then its lanes go to those who stay.
    pub async fn run(mut self, draining: CancellationToken) {
        loop {
            self.round().await;
            tokio::select! {
                () = draining.cancelled() => break,
                () = self.ownership.found_over.notified() => {}
                () = sleep(self.lease / ROUNDS_PER_LEASE) => {}
            }
        }
        if timeout(LEAVE_MAX, self.leave()).await.is_err() {
            tracing::warn!(
                "the lanes could not be handed over in time; they are free when the lease ends"
            );
        }
    }

    /// Reads the membership, renews when it is time, and claims and hands over what has changed.
    pub(crate) async fn round(&mut self) {
        match self.membership().await {
            Ok(membership) => {
                self.failing = false;
                self.act(membership).await;
            }
            Err(error) if self.failing => tracing::debug!(%error, "the membership cannot be read"),
            Err(error) => {
                self.failing = true;
                tracing::warn!(%error, "the membership cannot be read");
            }
        }
        let now = Instant::now();
        if self.local_lease.is_over(now) {
            self.ownership.publish(OwnershipSnapshot::unknown(self.ownership.lanes(), now));
        }
        let age = self.renewed.map_or(0.0, |renewed| (now - renewed).as_secs_f64());
        self.ownership.metrics.lease_age_seconds.set(age);
    }

    async fn membership(&mut self) -> Result<Membership, LogError> {
        let sent = Instant::now();
        let due = self.renewed.is_none_or(|renewed| sent >= renewed + self.lease.mul_f64(RENEWAL));
        if !due {
            let membership = self.timely(self.leases.membership()).await?;
            if membership.member(self.me.id).is_some() {
                return Ok(membership);
            }
        }
        let membership = self.timely(self.leases.renew(&self.me, self.lease)).await?;
        self.renewed = Some(sent);
        self.local_lease = LocalLease::granted(sent, self.lease);
        Ok(membership)
    }

    async fn act(&mut self, mut membership: Membership) {
        self.connect(&membership);
        // At once, for callers that wait for it: claiming a lane waits for the batch that is being written.
        self.publish(&membership);
        let moves = Moves::of(self.me.id, &membership);
        if moves == Moves::default() {
            return;
        }
        let Moves { claim, hand_over } = moves;
        for lane in claim {
            match self.timely(self.leases.claim(self.me.id, lane)).await {
                Ok(Some(epoch)) => {
                    let taken = &mut membership.lanes[usize::from(lane.0)];
                    (taken.owner, taken.epoch) = (Some(self.me.id), epoch);
                    self.ownership.metrics.takeovers.inc();
                    tracing::info!(lane = lane.0, epoch, "owns a lane");
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(lane = lane.0, %error, "a lane could not be claimed"),
            }
        }
        for (lane, to) in &hand_over {
            membership.lanes[usize::from(lane.0)].owner = Some(*to);
        }
        self.publish(&membership);
        self.hand_over(&hand_over).await;
    }

    fn publish(&self, membership: &Membership) {
        let owners = self.owners(membership);
        self.ownership.publish(OwnershipSnapshot::new(owners, self.local_lease));
    }

    /// Hands lanes over to others, to whom calls are forwarded already.
    async fn hand_over(&self, lanes: &[(Lane, Uuid)]) {
        let idle = join_all(lanes.iter().map(|(lane, _)| self.ownership.idle(*lane)));
        let _ = timeout(self.lease / IDLE_WAITS_PER_LEASE, idle).await;
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
        match self.timely(self.leases.membership()).await {
            Ok(mut membership) => {
                let moves = Moves::to_leave(self.me.id, &membership);
                for lane in &mut membership.lanes {
                    lane.owner = lane.owner.filter(|owner| *owner != self.me.id);
                }
                for (lane, to) in &moves.hand_over {
                    membership.lanes[usize::from(lane.0)].owner = Some(*to);
                }
                self.connect(&membership);
                self.ownership.publish(OwnershipSnapshot::left(self.owners(&membership), now));
                self.hand_over(&moves.hand_over).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the membership cannot be read to hand the lanes over");
                self.ownership.publish(OwnershipSnapshot::unknown(self.ownership.lanes(), now));
            }
        }
        if let Err(error) = self.timely(self.leases.leave(self.me.id)).await {
            tracing::warn!(%error, "ending the lease");
        }
    }

    /// Keeps a connection to each other member, and drops those of members that have gone.
    fn connect(&mut self, membership: &Membership) {
        let mut before = std::mem::take(&mut self.peers);
        for Member { id, address } in membership.members.iter().filter(|m| m.id != self.me.id) {
            let known = before.remove(id).filter(|peer| peer.address() == address);
            let peer = known.map_or_else(|| Peer::new(address, &self.connector), Ok);
            match peer {
                Ok(peer) => {
                    self.peers.insert(*id, peer);
                }
                Err(error) => tracing::warn!(address, %error, "an instance cannot be called"),
            }
        }
    }

    fn owners(&self, membership: &Membership) -> Vec<Owner> {
        let owner = |lane: &LaneOwner| match lane.owner {
            Some(id) if id == self.me.id => Owner::Me(lane.epoch),
            Some(id) => self.peers.get(&id).cloned().map_or(Owner::Nobody, Owner::Peer),
            None => Owner::Nobody,
        };
        membership.lanes.iter().map(owner).collect()
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
