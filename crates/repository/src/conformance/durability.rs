//! What is still there when the store is opened again.

use super::sample::{append, keyed, name, one, part};
use super::{Fixture, Store};
use crate::{Direction, Expected, Lane, STORE_SECRET_BYTES};

async fn everything(store: &dyn Store) -> Vec<crate::Event> {
    let mut events = Vec::new();
    for lane in 0..store.lanes() {
        events.extend(store.read_lane(Lane(lane), 0, usize::MAX).await.unwrap());
    }
    events
}

pub async fn reopening_keeps_everything<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let store = fixture.store();
    let incarnation = store.incarnation();
    let (secret, lanes) = (store.secret(), store.lanes());
    assert_ne!(*secret.expose(), [0; STORE_SECRET_BYTES]);
    drop(store);
    let mut kept = Vec::new();
    for round in 0..4_u64 {
        let store = fixture.store();
        assert_eq!(store.incarnation(), incarnation);
        assert_eq!(store.secret(), secret);
        assert_eq!(store.lanes(), lanes);
        assert_eq!(everything(&*store).await, kept);
        assert!(store.ping().await.is_ok());
        let (a, b) = (name("a"), name(&format!("b{round}")));
        let first = append(vec![
            part(&a, Expected::Exact(round * 3), [round * 10, round * 10 + 1]),
            part(&b, Expected::Exact(0), [round * 10 + 2]),
        ]);
        store.append(first).await.unwrap();
        let second = keyed(one(&a, Expected::Exists, [round * 10 + 3]), &format!("k{round}"), 1);
        store.append(second).await.unwrap();
        kept = everything(&*store).await;
        assert_eq!(kept.len() as u64, (round + 1) * 4);
        drop(store);
        fixture.reopen().await;
    }
    let store = fixture.store();
    let read = store.read_stream(&name("a"), 1, 100, Direction::Forward).await.unwrap();
    assert_eq!(read.len(), 12);
    for round in 0..4 {
        assert!(store.idempotent(&format!("k{round}")).await.unwrap().is_some());
    }
}

pub async fn verify_is_clean<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let empty = fixture.store().verify().await.unwrap();
    assert!(empty.is_clean());
    assert_eq!((empty.events, empty.streams, empty.batches), (0, 0, 0));
    for round in 0..3_u64 {
        let store = fixture.store();
        let pending: Vec<_> = (0..50)
            .map(|n| {
                let number = round * 1_000 + n * 2;
                let stream = name(&format!("s{}", n % 7));
                store.append(one(&stream, Expected::Any, [number, number + 1]))
            })
            .collect();
        for pending in pending {
            pending.await.unwrap();
        }
        let report = store.verify().await.unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!((report.events, report.streams), ((round + 1) * 100, 7));
        assert!(report.batches > round && report.batches <= (round + 1) * 50);
        drop(store);
        fixture.reopen().await;
    }
}
