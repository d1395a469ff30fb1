use std::sync::Arc;
use std::time::Duration;

use gamemesh_repository::EventLog;
use gamemesh_repository::memory::MemoryStore;
use gamemesh_repository::{Fence, Lane, LaneLeases as _, LocalLease, Member};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::forward::Mark;
use gamemesh_rpc::tls::Connector;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::snapshot::{Owner, OwnershipSnapshot};
use crate::*;

const LANES: u16 = 4;
/// Nothing here waits for its end.
const LEASE: Duration = Duration::from_secs(3_600);

fn instance(store: &Arc<MemoryStore>) -> (LeaseManager, Arc<Ownership>) {
    instance_of(store, LANES, LEASE)
}

fn instance_of(
    store: &Arc<MemoryStore>,
    lanes: u16,
    lease: Duration,
) -> (LeaseManager, Arc<Ownership>) {
    let ownership = Arc::new(Ownership::new(lanes, OwnershipMetrics::default()));
    let owned = OwnedLanes {
        leases: store.clone(),
        // Nobody listens there, so every call is worked on here.
        address: "127.0.0.1:1".to_owned(),
        lease,
        mark: Mark::new(&store.secret(), Clock::system()),
        connector: Connector::default(),
    };
    (LeaseManager::new(owned, ownership.clone()), ownership)
}

fn owned(ownership: &Ownership) -> usize {
    ownership.snapshot().owned()
}

#[tokio::test]
async fn lanes_are_shared_with_who_comes_and_handed_over_by_who_leaves() {
    let store = MemoryStore::with_lanes(LANES);
    let ((mut first, firsts), (mut second, seconds)) = (instance(&store), instance(&store));
    first.round().await;
    assert_eq!(owned(&firsts), 4);
    second.round().await;
    assert_eq!(owned(&seconds), 0);
    // The first sees the second, and hands over what belongs to it.
    first.round().await;
    second.round().await;
    assert_eq!((owned(&firsts), owned(&seconds)), (2, 2));
    assert_eq!(firsts.metrics.takeovers.get(), 4);

    let draining = CancellationToken::new();
    draining.cancel();
    first.run(draining).await;
    assert_eq!(owned(&firsts), 0);
    let membership = store.membership().await.unwrap();
    assert_eq!(membership.members.len(), 1);
    assert!(membership.lanes.iter().all(|lane| lane.owner == Some(membership.members[0].id)));
}

#[tokio::test]
async fn a_lane_is_handed_over_when_its_calls_have_ended() {
    let store = MemoryStore::with_lanes(1);
    let (mut manager, ownership) = instance(&store);
    manager.round().await;
    let Route::Here(guard) = ownership.route(Lane(0)).await else { panic!("it is ours") };

    let draining = CancellationToken::new();
    draining.cancel();
    let other = Member { id: Uuid::new_v4(), address: "127.0.0.1:1".to_owned() };
    store.renew(&other, LEASE).await.unwrap();
    let leaving = tokio::spawn(manager.run(draining));
    // Calls go elsewhere first.
    ownership.subscribe().wait_for(|snapshot| snapshot.owned() == 0).await.unwrap();
    assert_ne!(store.membership().await.unwrap().lanes[0].owner, Some(other.id));
    drop(guard);
    leaving.await.unwrap();
    assert_eq!(store.membership().await.unwrap().lanes[0].owner, Some(other.id));
}

#[tokio::test]
async fn an_instance_that_finds_its_lease_over_refreshes_before_it_acts() {
    let store = MemoryStore::with_lanes(LANES);
    let (mut manager, ownership) = instance(&store);
    manager.round().await;
    // It slept, and its lanes are another's.
    let now = Instant::now();
    let owners = vec![Owner::Me(1); usize::from(LANES)];
    ownership.publish(OwnershipSnapshot::new(owners, LocalLease::over(now)));
    assert!(ownership.check().is_err());
    let routed = {
        let ownership = ownership.clone();
        tokio::spawn(async move { ownership.route(Lane(0)).await })
    };
    ownership.found_over.notified().await;
    assert!(!routed.is_finished());
    manager.round().await;
    assert!(matches!(routed.await.unwrap(), Route::Here(_)));
    assert!(ownership.check().is_ok());
}

#[tokio::test]
async fn a_licence_holds_until_the_lane_is_handed_over() {
    let store = MemoryStore::with_lanes(1);
    let (mut first, firsts) = instance_of(&store, 1, LEASE);
    let (mut second, seconds) = instance_of(&store, 1, LEASE);
    assert!(matches!(firsts.owner(Lane(0)), LaneOwnership::Nobody));
    first.round().await;
    let licence = firsts.acquired(Lane(0)).await;
    let epoch = store.membership().await.unwrap().lanes[0].epoch;
    assert_eq!(licence.fence(), Some(Fence { lane: Lane(0), epoch }));
    second.round().await;
    assert!(matches!(seconds.owner(Lane(0)), LaneOwnership::There(_)));

    let draining = CancellationToken::new();
    draining.cancel();
    let leaving = tokio::spawn(first.run(draining));
    licence.lost().await;
    assert_eq!(licence.fence(), None);
    assert!(!leaving.is_finished(), "the lane waits for the licence to be dropped");
    drop(licence);
    leaving.await.unwrap();
    second.round().await;
    let licence = seconds.acquired(Lane(0)).await;
    assert!(licence.fence().is_some_and(|fence| fence.epoch > epoch));
}

#[tokio::test]
async fn a_licence_ends_with_the_local_lease() {
    let lease = Duration::from_millis(200);
    let store = MemoryStore::with_lanes(1);
    let (mut manager, ownership) = instance_of(&store, 1, lease);
    let started = Instant::now();
    manager.round().await;
    let licence = ownership.acquired(Lane(0)).await;
    licence.lost().await;
    assert!(started.elapsed() >= lease * 9 / 10);
    assert_eq!(licence.fence(), None);
    assert!(matches!(ownership.owner(Lane(0)), LaneOwnership::Nobody));
}
