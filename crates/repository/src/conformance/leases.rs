//! Leases, and the lanes that instances own under them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{Lane, LaneLeases, Member, Membership};

/// A place with one store that keeps leases.
#[async_trait]
pub trait LeasesFixture: Send + Sync + Sized + 'static {
    /// A new place with an empty store.
    async fn fresh() -> Self;

    fn leases(&self) -> Arc<dyn LaneLeases>;
}

/// One test for each law of the leases, on a fixture.
#[macro_export]
macro_rules! leases_suite {
    ($fixture:ident) => {
        $crate::conformance_suite! { @ $fixture;
            leases: a_lane_has_one_owner who_is_no_member_has_nothing
                a_lane_of_a_lease_that_is_over_is_taken a_lease_that_is_over_keeps_no_lane
                a_renewed_lease_goes_on a_lane_is_handed_over who_leaves_frees_his_lanes
                one_of_many_gets_a_lane;
        }
    };
}

const LONG: Duration = Duration::from_secs(60);
/// For a lease whose end is waited for.
const SHORT: Duration = Duration::from_millis(400);
/// What is waited for has come by then.
const PATIENCE: Duration = Duration::from_secs(20);

const FIRST: Lane = Lane(0);

fn member(name: &str) -> Member {
    Member { id: Uuid::new_v4(), address: format!("{name}:8080") }
}

fn owner(membership: &Membership) -> Option<Uuid> {
    membership.lanes[0].owner
}

/// A member who has the first lane, and its epoch.
async fn joined(leases: &dyn LaneLeases, name: &str, lease: Duration) -> (Member, u64) {
    let member = member(name);
    leases.renew(&member, LONG).await.unwrap();
    let epoch = leases.claim(member.id, FIRST).await.unwrap().unwrap();
    // A lease is also made shorter.
    leases.renew(&member, lease).await.unwrap();
    (member, epoch)
}

/// Until the lease of this member is over by the store's clock.
async fn over(leases: &dyn LaneLeases, member: &Member) {
    let began = Instant::now();
    while leases.membership().await.unwrap().member(member.id).is_some() {
        assert!(began.elapsed() < PATIENCE, "the lease does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub async fn a_lane_has_one_owner<F: LeasesFixture>() {
    let fixture = F::fresh().await;
    let leases = fixture.leases();
    let membership = leases.membership().await.unwrap();
    assert!(membership.members.is_empty() && !membership.lanes.is_empty());
    assert!(membership.lanes.iter().all(|lane| lane.owner.is_none()));
    let free = membership.lanes[0].epoch;

    let (a, b) = (member("a"), member("b"));
    leases.renew(&a, LONG).await.unwrap();
    let membership = leases.renew(&b, LONG).await.unwrap();
    let mut members = vec![a.clone(), b.clone()];
    members.sort_by_key(|member| member.id);
    assert_eq!(membership.members, members);

    let epoch = leases.claim(a.id, FIRST).await.unwrap().unwrap();
    assert!(epoch > free);
    assert_eq!(leases.claim(b.id, FIRST).await.unwrap(), None);
    // Who has a lane already may ask again: an answer may have been lost.
    assert_eq!(leases.claim(a.id, FIRST).await.unwrap(), Some(epoch));
    let membership = leases.membership().await.unwrap();
    assert_eq!((owner(&membership), membership.lanes[0].epoch), (Some(a.id), epoch));
    assert!(membership.lanes[1..].iter().all(|lane| lane.owner.is_none()));
}

pub async fn who_is_no_member_has_nothing<F: LeasesFixture>() {
    let fixture = F::fresh().await;
    let leases = fixture.leases();
    let stranger = Uuid::new_v4();
    assert_eq!(leases.claim(stranger, FIRST).await.unwrap(), None);
    let (a, epoch) = joined(&*leases, "a", LONG).await;
    assert_eq!(leases.claim(stranger, FIRST).await.unwrap(), None);
    assert!(!leases.hand_over(a.id, FIRST, stranger).await.unwrap());
    assert!(!leases.hand_over(stranger, FIRST, a.id).await.unwrap());
    leases.leave(stranger).await.unwrap();
    for nowhere in [Lane(u16::MAX), Lane(i16::MAX as u16)] {
        assert_eq!(leases.claim(a.id, nowhere).await.unwrap(), None);
        assert!(!leases.hand_over(a.id, nowhere, stranger).await.unwrap());
    }
    let membership = leases.membership().await.unwrap();
    assert_eq!((owner(&membership), membership.lanes[0].epoch), (Some(a.id), epoch));
}

pub async fn a_lane_of_a_lease_that_is_over_is_taken<F: LeasesFixture>() {
    let fixture = F::fresh().await;
    let leases = fixture.leases();
    let (a, epoch) = joined(&*leases, "a", SHORT).await;
    let b = member("b");
    leases.renew(&b, LONG).await.unwrap();
    over(&*leases, &a).await;
    let nobodys = leases.membership().await.unwrap();
    assert_eq!((owner(&nobodys), nobodys.owner_of(FIRST)), (None, None));
    assert_eq!(leases.claim(a.id, FIRST).await.unwrap(), None);
    let taken = leases.claim(b.id, FIRST).await.unwrap().unwrap();
    assert!(taken > epoch);
    // Back again, the first owner finds it taken.
    let membership = leases.renew(&a, LONG).await.unwrap();
    assert_eq!((owner(&membership), membership.lanes[0].epoch), (Some(b.id), taken));
    assert_eq!(leases.claim(a.id, FIRST).await.unwrap(), None);
    assert!(!leases.hand_over(a.id, FIRST, b.id).await.unwrap());
}

pub async fn a_lease_that_is_over_keeps_no_lane<F: LeasesFixture>() {
    let fixture = F::fresh().await;
    let leases = fixture.leases();
    let (a, epoch) = joined(&*leases, "a", SHORT).await;
    over(&*leases, &a).await;
    // Nobody took it meanwhile; it is lost all the same, and taking it raises the epoch.
    assert_eq!(owner(&leases.renew(&a, LONG).await.unwrap()), None);
    assert!(leases.claim(a.id, FIRST).await.unwrap().unwrap() > epoch);
}

pub async fn a_renewed_lease_goes_on<F: LeasesFixture>() {
    let fixture = F::fresh().await;
    let leases = fixture.leases();
    let brief = Duration::from_secs(2);
    let (mut a, epoch) = joined(&*leases, "a", brief).await;
    let (b, since) = (member("b"), Instant::now());
    a.address = "moved:8080".to_owned();
    let membership = leases.renew(&a, LONG).await.unwrap();
    assert_eq!((owner(&membership), &membership.members), (Some(a.id), &vec![a.clone()]));
    tokio::time::sleep((brief + SHORT).saturating_sub(since.elapsed())).await;
    leases.renew(&b, LONG).await.unwrap();
    assert_eq!(leases.claim(b.id, FIRST).await.unwrap(), None);
    assert_eq!(leases.claim(a.id, FIRST).await.unwrap(), Some(epoch));
}

pub async fn a_lane_is_handed_over<F: LeasesFixture>() {
    let fixture = F::fresh().await;
    let leases = fixture.leases();
    let (a, epoch) = joined(&*leases, "a", LONG).await;
    let (b, late) = (member("b"), member("late"));
    leases.renew(&b, LONG).await.unwrap();
    assert!(leases.hand_over(a.id, FIRST, b.id).await.unwrap());
    let membership = leases.membership().await.unwrap();
    assert_eq!(owner(&membership), Some(b.id));
    assert!(membership.lanes[0].epoch > epoch);
    assert!(!leases.hand_over(a.id, FIRST, b.id).await.unwrap());
    assert_eq!(leases.claim(a.id, FIRST).await.unwrap(), None);

    leases.renew(&late, SHORT).await.unwrap();
    over(&*leases, &late).await;
    assert!(!leases.hand_over(b.id, FIRST, late.id).await.unwrap());
    assert_eq!(leases.membership().await.unwrap().lanes[0], membership.lanes[0]);
}

pub async fn who_leaves_frees_his_lanes<F: LeasesFixture>() {
    let fixture = F::fresh().await;
    let leases = fixture.leases();
    let (a, epoch) = joined(&*leases, "a", LONG).await;
    let b = member("b");
    leases.renew(&b, LONG).await.unwrap();
    leases.leave(a.id).await.unwrap();
    let membership = leases.membership().await.unwrap();
    assert_eq!((owner(&membership), membership.members), (None, vec![b.clone()]));
    assert_eq!(leases.claim(a.id, FIRST).await.unwrap(), None);
    assert!(leases.claim(b.id, FIRST).await.unwrap().unwrap() > epoch);
    leases.leave(a.id).await.unwrap();
}

pub async fn one_of_many_gets_a_lane<F: LeasesFixture>() {
    const MANY: usize = 8;
    let fixture = F::fresh().await;
    let leases = fixture.leases();
    let (gone, _) = joined(&*leases, "gone", SHORT).await;
    let members: Vec<Member> = (0..MANY).map(|n| member(&format!("m{n}"))).collect();
    for member in &members {
        leases.renew(member, LONG).await.unwrap();
    }
    over(&*leases, &gone).await;
    let before = leases.membership().await.unwrap().lanes[0].epoch;
    let tries = members.iter().map(|member| {
        let (leases, id) = (leases.clone(), member.id);
        tokio::spawn(async move { (id, leases.claim(id, FIRST).await.unwrap()) })
    });
    let mut won = Vec::new();
    for attempt in tries.collect::<Vec<_>>() {
        let (id, epoch) = attempt.await.unwrap();
        won.extend(epoch.map(|epoch| (id, epoch)));
    }
    let lane = leases.membership().await.unwrap().lanes[0];
    assert_eq!(won, [(lane.owner.unwrap(), lane.epoch)]);
    assert_eq!(lane.epoch, before + 1, "a lane was taken more than once");
}
