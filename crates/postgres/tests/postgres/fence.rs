//! A writer of an older epoch writes nothing at all.

use std::time::Duration;

use gamemesh_repository::{
    Append, AppendError, EventLog, Expected, Fence, Lane, LaneLeases, LogError, Member,
};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::load::{append, event, name};
use crate::server::Place;

/// Positions, events, versions, batches, streams and keys.
async fn everything(connection: &mut PgConnection) -> Vec<i64> {
    let row = sqlx::query(
        "SELECT (SELECT sum(position)::bigint FROM lane), (SELECT count(*) FROM event), \
         (SELECT coalesce(sum(version), 0)::bigint FROM event), (SELECT count(*) FROM batch), \
         (SELECT count(*) FROM stream), (SELECT count(*) FROM idempotency)",
    )
    .fetch_one(connection)
    .await
    .unwrap();
    (0..6).map(|at| row.get(at)).collect()
}

/// A batch of one event over one lane, as a writer of that epoch would send it.
async fn write(connection: &mut PgConnection, epoch: i64, before: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT append_batch('00000000-0000-0000-0000-000000000001', '{0}', ARRAY[$1], ARRAY[$2], \
         ARRAY[$2 + 1], '{0}', '{5}', ARRAY[decode(repeat('00', 32), 'hex')], \
         '{5120}', ARRAY['test/late'::bytea], \
         ARRAY[$2 + 1], '{5120}', '{1}', '{0}', '{0}', '{0}', \
         '{00000000-0000-0000-0000-000000000002}', '{late}', ARRAY[''::bytea], ARRAY[''::bytea], \
         '{0}', '{0}', ARRAY['key'::bytea], ARRAY[''::bytea], ARRAY[''::bytea])",
    )
    .bind(epoch)
    .bind(before)
    .fetch_one(connection)
    .await
}

#[tokio::test]
async fn a_stale_epoch_raises_and_appends_nothing() {
    let place = Place::fresh().await;
    let store = place.open().await;
    let mut connection = place.connect().await;
    let stream = (0..).map(|n| name(&format!("s{n}"))).find(|s| s.lane(4).0 == 0).unwrap();
    let one = || append(vec![(stream.clone(), Expected::Any, vec![event(b"e")])]);
    store.append(one()).await.unwrap();
    sqlx::query("UPDATE lane SET epoch = epoch + 1").execute(&mut connection).await.unwrap();
    let before = everything(&mut connection).await;
    let error = write(&mut connection, 1, 1).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("GM001"), "{error}");
    assert_eq!(everything(&mut connection).await, before);
    // Of the right epoch, at a place that the lane has left.
    assert!(!write(&mut connection, 2, 0).await.unwrap());
    assert_eq!(everything(&mut connection).await, before);
    // An instance of which the epoch was ended takes up the new one.
    store.append(one()).await.unwrap();
    assert_eq!(store.head(&stream).await.unwrap().unwrap().version, 2);
    // The same statement writes when nothing speaks against it: it is the fence that held it.
    assert!(write(&mut connection, 2, 2).await.unwrap());
    assert_eq!(everything(&mut connection).await[..2], [3, 3]);
}

#[tokio::test]
async fn who_takes_a_lane_shuts_out_what_its_last_owner_has_on_its_way() {
    let place = Place::fresh().await;
    let (first, second) = (place.open().await, place.open().await);
    let mut connection = place.connect().await;
    let lease = Duration::from_secs(60);
    let [a, b] = ["a:1", "b:1"].map(|a| Member { id: Uuid::new_v4(), address: a.to_owned() });
    first.renew(&a, lease).await.unwrap();
    second.renew(&b, lease).await.unwrap();
    let old = first.claim(a.id, Lane(0)).await.unwrap().unwrap() as i64;
    let stream = (0..).map(|n| name(&format!("s{n}"))).find(|s| s.lane(4).0 == 0).unwrap();
    let one = || append(vec![(stream.clone(), Expected::Any, vec![event(b"e")])]);
    first.append(one()).await.unwrap();

    assert!(first.hand_over(a.id, Lane(0), b.id).await.unwrap());
    let before = everything(&mut connection).await;
    let error = write(&mut connection, old, 1).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("GM001"), "{error}");
    assert_eq!(everything(&mut connection).await, before);

    // Who owns a lane is no condition of writing to it: both go on, in the epoch that is.
    first.append(one()).await.unwrap();
    second.append(one()).await.unwrap();
    assert_eq!(first.head(&stream).await.unwrap().unwrap().version, 3);
    assert!(first.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_late_batch_is_shut_out_before_it_is_called_lost() {
    let place = Place::fresh().await;
    let store = place.open().await;
    let mut connection = place.connect().await;
    let settle = "SELECT settle_batch('{0}', '0', 1, '00000000-0000-0000-0000-000000000001')";
    let written: bool = sqlx::query_scalar(settle).fetch_one(&mut connection).await.unwrap();
    assert!(!written);
    assert!(write(&mut connection, 1, 0).await.is_err());
    assert!(write(&mut connection, 2, 0).await.unwrap());
    let written: bool = sqlx::query_scalar(settle).fetch_one(&mut connection).await.unwrap();
    assert!(written);
    drop(store);
}

/// The owner's instance knows nothing of the taking: what it knows of the lane is that of its last batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fenced_append_of_an_instance_that_was_paused_is_refused() {
    let place = Place::fresh().await;
    let (first, second) = (place.open().await, place.open().await);
    let [a, b] = ["a:1", "b:1"].map(|a| Member { id: Uuid::new_v4(), address: a.to_owned() });
    first.renew(&a, Duration::from_secs(60)).await.unwrap();
    let old = first.claim(a.id, Lane(0)).await.unwrap().unwrap();
    let stream = (0..).map(|n| name(&format!("s{n}"))).find(|s| s.lane(4).0 == 0).unwrap();
    let one = |epoch| Append {
        fence: Some(Fence { lane: Lane(0), epoch }),
        ..append(vec![(stream.clone(), Expected::Any, vec![event(b"e")])])
    };
    first.append(one(old)).await.unwrap();

    // Its lease ends while it is paused, and the lane is taken through another instance, which has not
    // yet seen it.
    let mut connection = place.connect().await;
    sqlx::query("UPDATE instance SET expires_at = clock_timestamp()")
        .execute(&mut connection)
        .await
        .unwrap();
    second.renew(&b, Duration::from_secs(60)).await.unwrap();
    let new = second.claim(b.id, Lane(0)).await.unwrap().unwrap();
    assert!(new > old);
    // It wakes before the new owner has written: nothing but the epoch has changed.
    let woke = first.append(one(old)).await;
    assert!(matches!(woke, Err(AppendError::Log(LogError::Fenced))), "{woke:?}");
    second.append(one(new)).await.unwrap();
    let woke = first.append(one(old)).await;
    assert!(matches!(woke, Err(AppendError::Log(LogError::Fenced))), "{woke:?}");
    // The right is the member's, through whatever instance it appends.
    first.append(one(new)).await.unwrap();
    assert_eq!(first.head(&stream).await.unwrap().unwrap().version, 3);
    assert!(first.verify().await.unwrap().is_clean());
}

/// Whoever finds out what became of a lost reply shuts out what is on its way, and nobody's ownership.
#[tokio::test]
async fn a_lost_reply_ends_no_ownership() {
    let place = Place::fresh().await;
    let store = place.open().await;
    let a = Member { id: Uuid::new_v4(), address: "a:1".to_owned() };
    store.renew(&a, Duration::from_secs(60)).await.unwrap();
    let epoch = store.claim(a.id, Lane(0)).await.unwrap().unwrap();
    let stream = (0..).map(|n| name(&format!("s{n}"))).find(|s| s.lane(4).0 == 0).unwrap();
    let mut connection = place.connect().await;
    sqlx::raw_sql("SELECT settle_batch('{0}', '0', 1, '00000000-0000-0000-0000-000000000001')")
        .execute(&mut connection)
        .await
        .unwrap();
    let fenced = Append {
        fence: Some(Fence { lane: Lane(0), epoch }),
        ..append(vec![(stream.clone(), Expected::Any, vec![event(b"e")])])
    };
    store.append(fenced).await.unwrap();
    assert_eq!(store.claim(a.id, Lane(0)).await.unwrap(), Some(epoch));
}
