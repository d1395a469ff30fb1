//! Ownership as a licence: what is appended under a fence is appended by the lane's owner, or not at
//! all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::sample::{keyed, name, one, version};
use super::{Fixture, Store};
use crate::{
    Append, AppendError, Appended, Epoch, Expected, Fence, Lane, LogError, Member, StreamName,
};

const LONG: Duration = Duration::from_secs(60);
/// For a lease whose end is waited for.
const SHORT: Duration = Duration::from_millis(400);
/// What is waited for has come by then.
const PATIENCE: Duration = Duration::from_secs(20);

const FIRST: Lane = Lane(0);

/// The nth of the streams of a lane.
fn stream_of(store: &dyn Store, lane: Lane, nth: usize) -> StreamName {
    let streams = (0..).map(|n| name(&format!("s{n}")));
    streams.filter(|stream| stream.lane(store.lanes()) == lane).nth(nth).unwrap()
}

fn fenced(append: Append, epoch: Epoch) -> Append {
    Append { fence: Some(Fence { lane: FIRST, epoch }), ..append }
}

fn is_refused(result: &Result<Appended, AppendError>) -> bool {
    matches!(result, Err(AppendError::Log(LogError::Fenced)))
}

async fn member(store: &dyn Store, lease: Duration) -> Member {
    let member = Member { id: Uuid::new_v4(), address: "a:8080".to_owned() };
    store.renew(&member, lease).await.unwrap();
    member
}

/// A new member who has taken the first lane, and its epoch.
async fn owner(store: &dyn Store) -> (Member, Epoch) {
    let member = member(store, LONG).await;
    let epoch = store.claim(member.id, FIRST).await.unwrap().unwrap();
    (member, epoch)
}

pub async fn the_owner_writes<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = stream_of(&*store, FIRST, 0);
    // Nobody owns the lane: nothing can be appended under a fence, everything without.
    let free = store.membership().await.unwrap();
    assert_eq!((free.lanes[0].owner, free.owner_of(FIRST)), (None, None));
    store.append(one(&stream, Expected::Any, [1])).await.unwrap();

    let (a, epoch) = owner(&*store).await;
    assert_eq!(store.membership().await.unwrap().owner_of(FIRST), Some(&a));
    for number in 2..5 {
        let append = fenced(one(&stream, Expected::Exact(number - 1), [number]), epoch);
        store.append(append).await.unwrap();
    }
    // An epoch that no owner had is nobody's right.
    for wrong in [0, epoch - 1, epoch + 1, u64::MAX] {
        let refused = store.append(fenced(one(&stream, Expected::Any, [9]), wrong)).await;
        assert!(is_refused(&refused), "{wrong} of {epoch}: {refused:?}");
    }
    // Expectations count for the owner too, and others may write without a fence.
    let conflict = store.append(fenced(one(&stream, Expected::Exact(1), [9]), epoch)).await;
    assert!(matches!(conflict, Err(AppendError::Conflict { actual: 4, .. })), "{conflict:?}");
    store.append(one(&stream, Expected::Exact(4), [5])).await.unwrap();
    assert_eq!(version(&*store, &stream).await, 5);
    assert!(store.verify().await.unwrap().is_clean());
}

/// An owner that stood still for longer than its lease, and wakes.
pub async fn a_paused_owner_that_wakes_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = stream_of(&*store, FIRST, 0);
    let (a, old) = owner(&*store).await;
    store.append(fenced(one(&stream, Expected::Exact(0), [1]), old)).await.unwrap();
    store.renew(&a, SHORT).await.unwrap();
    let began = Instant::now();
    while store.membership().await.unwrap().owner_of(FIRST).is_some() {
        assert!(began.elapsed() < PATIENCE, "the lease does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    // Its lease is over; nobody has taken the lane, so nobody else can have written under a fence.
    store.append(fenced(one(&stream, Expected::Exact(1), [2]), old)).await.unwrap();
    let (_, new) = owner(&*store).await;
    assert!(new > old);
    store.append(fenced(one(&stream, Expected::Exact(2), [3]), new)).await.unwrap();
    for number in [4, 5] {
        let woke = store.append(fenced(one(&stream, Expected::Any, [number]), old)).await;
        assert!(is_refused(&woke), "{woke:?}");
    }
    assert_eq!(version(&*store, &stream).await, 3);
    store.append(fenced(one(&stream, Expected::Exact(3), [6]), new)).await.unwrap();
    // Once more a member, it is the owner no longer.
    store.renew(&a, LONG).await.unwrap();
    assert!(is_refused(&store.append(fenced(one(&stream, Expected::Any, [7]), old)).await));
}

pub async fn a_handed_over_lane_refuses_the_last_owner<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = stream_of(&*store, FIRST, 0);
    let (a, old) = owner(&*store).await;
    store.append(fenced(one(&stream, Expected::Any, [1]), old)).await.unwrap();
    let b = member(&*store, LONG).await;
    assert!(store.hand_over(a.id, FIRST, b.id).await.unwrap());
    let new = store.membership().await.unwrap().lanes[0].epoch;
    assert!(is_refused(&store.append(fenced(one(&stream, Expected::Any, [2]), old)).await));
    store.append(fenced(one(&stream, Expected::Any, [3]), new)).await.unwrap();

    // Left, the lane is nobody's, and the right to it is that of its last owner until it is taken.
    store.leave(b.id).await.unwrap();
    assert_eq!(store.membership().await.unwrap().owner_of(FIRST), None);
    store.append(fenced(one(&stream, Expected::Any, [4]), new)).await.unwrap();
    let taken = store.claim(a.id, FIRST).await.unwrap().unwrap();
    assert!(taken > new);
    assert!(is_refused(&store.append(fenced(one(&stream, Expected::Any, [5]), new)).await));
    assert_eq!(version(&*store, &stream).await, 3);
}

/// Whoever has taken a lane reads it, and nothing of an earlier owner comes after that.
pub async fn what_is_in_flight_when_a_lane_is_taken_is_before_it_or_refused<F: Fixture>() {
    const WRITERS: u64 = 6;
    const APPENDS: u64 = 60;
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (a, old) = owner(&*store).await;
    let b = member(&*store, LONG).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write_until_refused(store.clone(), writer, APPENDS, old)))
        .collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(store.hand_over(a.id, FIRST, b.id).await.unwrap());
    let new = store.membership().await.unwrap().lanes[0].epoch;
    let taken_over = store.read_lane(FIRST, 0, usize::MAX).await.unwrap();
    let mut acknowledged = 0;
    for writer in writers {
        acknowledged += writer.await.unwrap();
    }
    assert_eq!(store.read_lane(FIRST, 0, usize::MAX).await.unwrap(), taken_over);
    assert_eq!(taken_over.len() as u64, acknowledged);
    let stream = stream_of(&*store, FIRST, 99);
    store.append(fenced(one(&stream, Expected::Exact(0), [9_999]), new)).await.unwrap();
    assert!(store.verify().await.unwrap().is_clean());
}

/// How many were acknowledged. Those that come after the first refused one are refused too.
async fn write_until_refused(
    store: Arc<dyn Store>,
    writer: u64,
    appends: u64,
    epoch: Epoch,
) -> u64 {
    let stream = stream_of(&*store, FIRST, writer as usize);
    let (mut acknowledged, mut refused) = (0, false);
    for number in 0..appends {
        let append = one(&stream, Expected::Exact(number), [writer * 1_000 + number]);
        match store.append(fenced(append, epoch)).await {
            Ok(_) => {
                assert!(!refused, "an old owner wrote after it was refused");
                acknowledged += 1;
            }
            Err(AppendError::Log(LogError::Fenced)) => refused = true,
            Err(error) => panic!("{error:?}"),
        }
    }
    acknowledged
}

pub async fn each_of_a_batch_is_fenced_by_itself<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (a, old) = owner(&*store).await;
    let b = member(&*store, LONG).await;
    assert!(store.hand_over(a.id, FIRST, b.id).await.unwrap());
    let new = store.membership().await.unwrap().lanes[0].epoch;
    let [s, t] = [0, 1].map(|nth| stream_of(&*store, FIRST, nth));
    let results = store
        .append_each(vec![
            fenced(one(&s, Expected::Exact(0), [1]), old),
            fenced(one(&s, Expected::Exact(0), [2]), new),
            one(&t, Expected::Exact(0), [3]),
            fenced(one(&s, Expected::Exact(1), [4]), old),
            fenced(one(&s, Expected::Exact(1), [5]), new),
        ])
        .await;
    let refused: Vec<_> = results.iter().map(is_refused).collect();
    assert_eq!(refused, [true, false, false, true, false], "{results:?}");
    assert_eq!((version(&*store, &s).await, version(&*store, &t).await), (2, 1));
}

pub async fn streams_are_of_the_fenced_lane<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (_, epoch) = owner(&*store).await;
    let here = stream_of(&*store, FIRST, 0);
    let mut outside = vec![(here.clone(), Lane(store.lanes())), (here.clone(), Lane(u16::MAX))];
    if store.lanes() > 1 {
        outside.push((stream_of(&*store, Lane(1), 0), FIRST));
    }
    for (stream, lane) in outside {
        // Also one that is only a condition.
        for of_condition in [false, true] {
            let mut append = one(&stream, Expected::Any, [1]);
            if of_condition {
                let mut written = one(&here, Expected::Any, [1]);
                if stream == here {
                    continue;
                }
                append.streams[0].events.clear();
                written.streams.append(&mut append.streams);
                append = written;
            }
            append.fence = Some(Fence { lane, epoch });
            let refused = store.append(append).await;
            assert!(matches!(refused, Err(AppendError::OutsideFence { .. })), "{refused:?}");
        }
    }
    assert_eq!(version(&*store, &here).await, 0);
}

/// Also a retry of what went through: whoever has lost the lane is told so before anything else.
pub async fn a_stale_retry_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = stream_of(&*store, FIRST, 0);
    let (a, old) = owner(&*store).await;
    let exact = fenced(one(&stream, Expected::Exact(0), [1]), old);
    let with_key = fenced(keyed(one(&stream, Expected::Any, [2]), "k", 1), old);
    for append in [&exact, &with_key] {
        store.append(append.clone()).await.unwrap();
        assert!(store.append(append.clone()).await.unwrap().repeated);
    }
    let b = member(&*store, LONG).await;
    assert!(store.hand_over(a.id, FIRST, b.id).await.unwrap());
    for append in [&exact, &with_key] {
        let retried = store.append(append.clone()).await;
        assert!(is_refused(&retried), "{retried:?}");
        // What became of it can be asked without the right to write.
        let unfenced = Append { fence: None, ..append.clone() };
        assert!(store.append(unfenced).await.unwrap().repeated);
    }
}

pub async fn epochs_rise_over_restarts<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let mut last = 0;
    for round in 0..3 {
        let store = fixture.store();
        let (a, epoch) = owner(&*store).await;
        assert!(epoch > last, "{epoch} after {last}");
        let stream = stream_of(&*store, FIRST, 0);
        if round > 0 {
            let stale = store.append(fenced(one(&stream, Expected::Any, [90]), last)).await;
            assert!(is_refused(&stale), "{stale:?}");
        }
        let append = one(&stream, Expected::Exact(round), [round]);
        store.append(fenced(append, epoch)).await.unwrap();
        last = epoch;
        store.leave(a.id).await.unwrap();
        drop(store);
        fixture.reopen().await;
        let free = fixture.store().membership().await.unwrap();
        assert_eq!((free.lanes[0].owner, free.lanes[0].epoch), (None, epoch));
    }
}
