//! The laws of the shared cache, as tests that every adapter runs.
//!
//! A law is an async function over a [`Fixture`]; it panics where the law is broken. The macro
//! [`conformance_suite!`](crate::conformance_suite) makes a test of each.

#![expect(clippy::unwrap_used, reason = "test code: whatever fails shall panic")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use rand::Rng as _;
use rand::seq::SliceRandom as _;
use tokio::sync::broadcast;

use crate::{Announcement, BroadcastEvent, Envelope, Fill, L2, Lifetimes};

/// What is announced comes within this time, on a busy machine too.
const NEWS_TIMEOUT: Duration = Duration::from_secs(30);

/// A cache's clock may differ from ours by so much over the times of these tests.
const CLOCK_SLACK: Duration = Duration::from_millis(20);

const LONG: Lifetimes =
    Lifetimes { value: Duration::from_secs(600), claim: Duration::from_secs(600) };

/// An empty cache.
#[async_trait]
pub trait Fixture: Send + Sync + Sized + 'static {
    async fn fresh(lifetimes: Lifetimes) -> Self;

    /// A new caller of it, whose listeners are connected.
    async fn caller(&self) -> Arc<dyn L2>;

    /// Breaks the connections of the callers; they come back by themselves.
    async fn interrupt(&self);
}

/// One test for each law, on a fixture.
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:ident) => {
        $crate::conformance_suite! { @ $fixture;
            what_is_put_is_read keys_are_apart only_what_is_newer_takes_effect
                puts_side_by_side_end_at_the_newest values_are_forgotten_in_time
                one_caller_fills a_put_ends_only_its_callers_claim a_claim_ends_in_time
                announcements_come_in_order an_interruption_is_heard
        }
    };
    (@ $fixture:ident; $($law:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                $crate::conformance::$law::<$fixture>().await;
            }
        )*
    };
}

fn envelope(version: u64, as_of: u64) -> Envelope {
    let value = Bytes::from(format!("{version}/{as_of}"));
    Envelope { version, as_of, reducer: 7, value }
}

fn announcement(lane: u16, number: u64) -> Announcement {
    let payload = Bytes::from(format!("player/{number}, гильдия/🏆\r\n\0"));
    Announcement { lane, after: number - 1, to: number, payload }
}

async fn hear(listener: &mut broadcast::Receiver<BroadcastEvent>) -> BroadcastEvent {
    let heard = tokio::time::timeout(NEWS_TIMEOUT, listener.recv()).await;
    heard.expect("nothing was heard").unwrap()
}

pub async fn what_is_put_is_read<F: Fixture>() {
    let fixture = F::fresh(LONG).await;
    let (writer, reader) = (fixture.caller().await, fixture.caller().await);
    writer.ping().await.unwrap();
    let values = [
        Envelope { version: 0, as_of: 0, reducer: 0, value: Bytes::new() },
        Envelope { version: 1, as_of: u64::MAX, reducer: 1 << 63, value: vec![0; 3].into() },
        Envelope { version: u64::MAX, as_of: 0, reducer: u64::MAX, value: vec![255; 1].into() },
        Envelope { version: 3, as_of: 9, reducer: 5, value: vec![0xa5; 256 << 10].into() },
    ];
    for (n, envelope) in values.into_iter().enumerate() {
        for key in ["player/42", "гильдия/🏆", "", "}{", "a}b{c}", "a b\r\n\0c"] {
            let key =
                format!("{key}{}", n.checked_sub(1).map(|n| n.to_string()).unwrap_or_default());
            assert_eq!(reader.get(&key).await.unwrap(), None, "{key:?}");
            writer.put(&key, envelope.clone()).await.unwrap();
            assert!(reader.get(&key).await.unwrap().as_ref() == Some(&envelope), "{key:?}");
        }
    }
}

pub async fn keys_are_apart<F: Fixture>() {
    let fixture = F::fresh(LONG).await;
    let caller = fixture.caller().await;
    for n in 0..200 {
        caller.put(&format!("k/{n}"), envelope(n, 1)).await.unwrap();
    }
    for n in 0..200 {
        assert_eq!(caller.get(&format!("k/{n}")).await.unwrap(), Some(envelope(n, 1)));
    }
    assert_eq!(caller.claim("k/1").await.unwrap(), Fill::Yours);
    assert_eq!(caller.claim("k/2").await.unwrap(), Fill::Yours);
}

pub async fn only_what_is_newer_takes_effect<F: Fixture>() {
    let fixture = F::fresh(LONG).await;
    let (one, other) = (fixture.caller().await, fixture.caller().await);
    let mut newest = (0, 0);
    // Beyond 2^53 numbers differ that are equal as floating point.
    let large = 1 << 60;
    let puts = [
        (5, 10),
        (5, 10),
        (5, 9),
        (4, 99),
        (5, 11),
        (6, 1),
        (6, 0),
        (255, 1),
        (256, 0),
        (255, 999),
        (256, 255),
        (256, 256),
        (256, 255),
        (large, 1),
        (large - 1, 5),
        (large + 1, 0),
        (large, 2),
        (large + 1, large),
        (large + 1, large + 1),
        (large + 1, large),
        (u64::MAX, 0),
        (u64::MAX, u64::MAX - 1),
        (u64::MAX, u64::MAX),
        (u64::MAX, 7),
    ];
    for (version, as_of) in puts {
        one.put("k", envelope(version, as_of)).await.unwrap();
        newest = newest.max((version, as_of));
        let expected = Some(envelope(newest.0, newest.1));
        assert_eq!(other.get("k").await.unwrap(), expected, "after ({version}, {as_of})");
    }
    // What is as new does not replace what is there.
    let twin = Envelope { reducer: 8, ..envelope(newest.0, newest.1) };
    other.put("k", twin).await.unwrap();
    assert_eq!(one.get("k").await.unwrap(), Some(envelope(newest.0, newest.1)));
}

pub async fn puts_side_by_side_end_at_the_newest<F: Fixture>() {
    const TASKS: usize = 16;
    const EACH: usize = 30;
    let fixture = F::fresh(LONG).await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(fixture.caller().await);
    }
    let mut random = rand::rng();
    let mut puts: Vec<(u64, u64)> = (0..TASKS * EACH)
        .map(|_| (random.random_range(1..40), random.random_range(1..1_000)))
        .collect();
    let newest = *puts.iter().max().unwrap();
    puts.shuffle(&mut random);
    let tasks: Vec<_> = puts
        .chunks(EACH)
        .enumerate()
        .map(|(n, puts)| {
            let (caller, puts) = (callers[n % callers.len()].clone(), puts.to_vec());
            tokio::spawn(async move {
                let mut seen = None;
                for (version, as_of) in puts {
                    caller.put("hot", envelope(version, as_of)).await.unwrap();
                    let there = caller.get("hot").await.unwrap().unwrap();
                    let at = Some((there.version, there.as_of));
                    assert!(at >= Some((version, as_of)), "{at:?} after ({version}, {as_of})");
                    assert!(at >= seen, "{at:?} after {seen:?}");
                    assert_eq!(there, envelope(there.version, there.as_of));
                    seen = at;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let there = callers[0].get("hot").await.unwrap();
    assert_eq!(there, Some(envelope(newest.0, newest.1)));
}

pub async fn values_are_forgotten_in_time<F: Fixture>() {
    let value = Duration::from_millis(300);
    let fixture = F::fresh(Lifetimes { value, ..LONG }).await;
    let caller = fixture.caller().await;
    let began = Instant::now();
    caller.put("k", envelope(5, 5)).await.unwrap();
    while caller.get("k").await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed() + CLOCK_SLACK >= value.mul_f64(0.8), "{:?}", began.elapsed());
    // What is forgotten refuses nothing.
    caller.put("k", envelope(1, 1)).await.unwrap();
    let there = caller.get("k").await.unwrap();
    assert!(there.is_none_or(|there| there == envelope(1, 1)));
}

pub async fn one_caller_fills<F: Fixture>() {
    let fixture = F::fresh(LONG).await;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let caller = fixture.caller().await;
        for _ in 0..4 {
            let caller = caller.clone();
            tasks.push(tokio::spawn(async move { caller.claim("k").await.unwrap() }));
        }
    }
    let mut yours = 0;
    for task in tasks {
        yours += usize::from(task.await.unwrap() == Fill::Yours);
    }
    assert_eq!(yours, 1);
}

pub async fn a_put_ends_only_its_callers_claim<F: Fixture>() {
    let fixture = F::fresh(LONG).await;
    let (one, other) = (fixture.caller().await, fixture.caller().await);
    assert_eq!(one.claim("k").await.unwrap(), Fill::Yours);
    other.put("k", envelope(3, 3)).await.unwrap();
    assert_eq!(other.claim("k").await.unwrap(), Fill::Others);
    // The end comes with the put, whether it takes effect or not.
    one.put("k", envelope(2, 2)).await.unwrap();
    assert_eq!(one.get("k").await.unwrap(), Some(envelope(3, 3)));
    assert_eq!(other.claim("k").await.unwrap(), Fill::Yours);
    assert_eq!(one.claim("k").await.unwrap(), Fill::Others);
    other.put("k", envelope(4, 4)).await.unwrap();
    assert_eq!(one.claim("k").await.unwrap(), Fill::Yours);
}

pub async fn a_claim_ends_in_time<F: Fixture>() {
    let claim = Duration::from_millis(300);
    let fixture = F::fresh(Lifetimes { claim, ..LONG }).await;
    let (one, other) = (fixture.caller().await, fixture.caller().await);
    let began = Instant::now();
    assert_eq!(one.claim("k").await.unwrap(), Fill::Yours);
    while other.claim("k").await.unwrap() == Fill::Others {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed() + CLOCK_SLACK >= claim, "{:?}", began.elapsed());
}

pub async fn announcements_come_in_order<F: Fixture>() {
    const EACH: u64 = 100;
    let fixture = F::fresh(LONG).await;
    let mut callers = Vec::new();
    for _ in 0..3 {
        callers.push(fixture.caller().await);
    }
    let mut listeners: Vec<_> = callers.iter().map(|caller| caller.subscribe()).collect();
    let tasks: Vec<_> = (0_u16..)
        .zip(callers.iter().cloned())
        .map(|(lane, caller)| {
            tokio::spawn(async move {
                for number in 1..=EACH {
                    caller.announce(announcement(lane, number)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // Everybody hears everybody, himself too. Nothing was broken, so nothing is missing.
    for listener in &mut listeners {
        let mut next: HashMap<u16, u64> = HashMap::new();
        for _ in 0..3 * EACH {
            let heard = hear(listener).await;
            let BroadcastEvent::Announced(heard) = heard else { panic!("{heard:?}") };
            let number = next.entry(heard.lane).or_insert(1);
            assert_eq!(*heard, announcement(heard.lane, *number));
            *number += 1;
        }
    }
}

pub async fn an_interruption_is_heard<F: Fixture>() {
    let fixture = F::fresh(LONG).await;
    let (one, other) = (fixture.caller().await, fixture.caller().await);
    let mut listener = other.subscribe();
    one.announce(announcement(0, 1)).await.unwrap();
    assert_eq!(hear(&mut listener).await, BroadcastEvent::Announced(announcement(0, 1).into()));
    fixture.interrupt().await;
    assert_eq!(hear(&mut listener).await, BroadcastEvent::Interrupted);
    // Whoever has heard that hears again.
    while one.announce(announcement(0, 2)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    loop {
        match hear(&mut listener).await {
            BroadcastEvent::Interrupted => {}
            announced => {
                assert_eq!(announced, BroadcastEvent::Announced(announcement(0, 2).into()));
                break;
            }
        }
    }
}
