use gamemesh_repository::memory::MemoryStore;
use gamemesh_repository::{Member, Term};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;

const LANES: u16 = 4;
/// Nothing here waits for its end.
const LEASE: Duration = Duration::from_secs(3_600);

fn keeper(store: &Arc<MemoryStore>) -> (Keeper, Arc<Lanes>) {
    let lanes = Arc::new(Lanes::new(LANES, LaneMetrics::default()));
    let owned = OwnedLanes {
        leases: store.clone(),
        // Nobody listens there, so every call is worked on here.
        address: "127.0.0.1:1".to_owned(),
        lease: LEASE,
        mark: Mark::new(None),
    };
    (Keeper::new(owned, lanes.clone()), lanes)
}

fn owned(lanes: &Lanes) -> usize {
    lanes.view.borrow().owned()
}

#[tokio::test]
async fn who_comes_is_given_his_share_and_who_leaves_gives_his_away() {
    let store = MemoryStore::with_lanes(LANES);
    let ((mut first, firsts), (mut second, seconds)) = (keeper(&store), keeper(&store));
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
    let roster = store.roster().await.unwrap();
    assert_eq!(roster.members.len(), 1);
    assert!(roster.lanes.iter().all(|lane| lane.owner == Some(roster.members[0].id)));
}

#[tokio::test]
async fn a_lane_is_handed_over_when_its_calls_have_ended() {
    let store = MemoryStore::with_lanes(1);
    let (mut keeper, lanes) = keeper(&store);
    keeper.round().await;
    let Route::Here(at_work) = lanes.route(Lane(0)).await else { panic!("it is ours") };

    let draining = CancellationToken::new();
    draining.cancel();
    let other = Member { id: Uuid::new_v4(), address: "127.0.0.1:1".to_owned() };
    store.renew(&other, LEASE).await.unwrap();
    let leaving = tokio::spawn(keeper.run(draining));
    // Calls go elsewhere first.
    lanes.view.subscribe().wait_for(|view| view.owned() == 0).await.unwrap();
    assert_ne!(store.roster().await.unwrap().lanes[0].owner, Some(other.id));
    drop(at_work);
    leaving.await.unwrap();
    assert_eq!(store.roster().await.unwrap().lanes[0].owner, Some(other.id));
}

#[tokio::test]
async fn who_finds_his_lease_over_learns_before_he_acts() {
    let store = MemoryStore::with_lanes(LANES);
    let (mut keeper, lanes) = keeper(&store);
    keeper.round().await;
    // It slept, and its lanes are another's.
    let now = Instant::now();
    lanes.publish(View::new(vec![Seat::Mine; usize::from(LANES)], Term::over(now)));
    assert!(lanes.check().is_err());
    let routed = {
        let lanes = lanes.clone();
        tokio::spawn(async move { lanes.route(Lane(0)).await })
    };
    lanes.found_over.notified().await;
    assert!(!routed.is_finished());
    keeper.round().await;
    assert!(matches!(routed.await.unwrap(), Route::Here(_)));
    assert!(lanes.check().is_ok());
}
