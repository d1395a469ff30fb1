//! The laws of the port, as tests that every adapter runs.
//!
//! A law is an async function over a [`Fixture`]; it panics where the law is broken. The macro
//! [`conformance_suite!`](crate::conformance_suite) makes a test of each.

#![expect(clippy::unwrap_used, reason = "test code: whatever fails shall panic")]

pub mod consumer;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Header, Message, PublishError, Publisher, Session};

/// A topic of its own, with a reader that sees it from its beginning.
#[async_trait]
pub trait Fixture: Send + Sync + Sized + 'static {
    async fn fresh() -> Self;

    fn publisher(&self) -> Arc<dyn Publisher>;

    fn topic(&self) -> Arc<str>;

    /// The next message that the reader gets; panics if none comes for long. A position that the
    /// reader does not see is 0, as is the lane.
    async fn next(&mut self) -> Message;
}

/// One test for each law, on a fixture.
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:ident) => {
        $crate::conformance_suite! { @ $fixture;
            everything_arrives_as_it_was keys_stay_in_order sessions_side_by_side
                a_message_too_large_ends_the_session
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

fn message(topic: &Arc<str>, key: &str, position: u64) -> Message {
    Message {
        topic: topic.clone(),
        key: Bytes::from(key.to_owned()),
        payload: Bytes::from(position.to_be_bytes().to_vec()),
        headers: vec![Header { name: "n", value: Bytes::from(format!("{key} {position}")) }],
        lane: 0,
        position,
    }
}

/// What a message is, without what a reader may not see.
fn content(message: &Message) -> (Bytes, Bytes, Vec<Header>) {
    (message.key.clone(), message.payload.clone(), message.headers.clone())
}

fn number(message: &Message) -> u64 {
    u64::from_be_bytes(message.payload[..].try_into().unwrap())
}

async fn session(publisher: &Arc<dyn Publisher>) -> Box<dyn Session> {
    // A session may be refused for a while after one has failed.
    loop {
        match publisher.session().await {
            Ok(session) => return session,
            Err(PublishError::Unavailable(_)) => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub async fn everything_arrives_as_it_was<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let topic = fixture.topic();
    assert!(*fixture.publisher().has_subscribers(std::slice::from_ref(&topic)).borrow());
    fixture.publisher().ping().await.unwrap();
    let sent = vec![
        message(&topic, "player/42", 1),
        message(&topic, "гильдия/🏆", 2),
        Message { payload: Bytes::new(), headers: vec![], ..message(&topic, "empty", 3) },
        Message { payload: vec![0xa5; 100_000].into(), ..message(&topic, "large", 4) },
    ];
    let mut session = session(&fixture.publisher()).await;
    session.publish(sent.clone()).await.await.unwrap();
    let mut got = HashMap::new();
    for _ in &sent {
        let message = fixture.next().await;
        got.insert(message.key.clone(), content(&message));
    }
    for message in &sent {
        assert_eq!(got[&message.key], content(message));
    }
}

pub async fn keys_stay_in_order<F: Fixture>() {
    const BATCHES: u64 = 20;
    const EACH: u64 = 50;
    let mut fixture = F::fresh().await;
    let (publisher, topic) = (fixture.publisher(), fixture.topic());
    let publish = tokio::spawn(async move {
        let mut session = session(&publisher).await;
        // Handed over before anything is acknowledged.
        let mut pending = Vec::new();
        for batch in 0..BATCHES {
            let numbers = batch * EACH..(batch + 1) * EACH;
            let batch = numbers.map(|n| message(&topic, &format!("k{}", n % 7), n)).collect();
            pending.push(session.publish(batch).await);
        }
        for pending in pending {
            pending.await.unwrap();
        }
    });
    let mut last: HashMap<Bytes, u64> = HashMap::new();
    for _ in 0..BATCHES * EACH {
        let message = fixture.next().await;
        let n = number(&message);
        if let Some(before) = last.insert(message.key.clone(), n) {
            assert_eq!(n, before + 7, "{:?}", message.key);
        }
    }
    publish.await.unwrap();
}

pub async fn sessions_side_by_side<F: Fixture>() {
    const EACH: u64 = 200;
    let mut fixture = F::fresh().await;
    let (publisher, topic) = (fixture.publisher(), fixture.topic());
    let sessions: Vec<_> = (0..4_u64)
        .map(|s| {
            // A lane is one session's.
            let lane = s as u16;
            let (publisher, topic) = (publisher.clone(), topic.clone());
            tokio::spawn(async move {
                let mut session = session(&publisher).await;
                for n in 0..EACH {
                    let batch = vec![Message { lane, ..message(&topic, &format!("s{s}"), n) }];
                    drop(session.publish(batch).await);
                }
                session.publish(vec![]).await.await.unwrap();
            })
        })
        .collect();
    let mut next: HashMap<Bytes, u64> = HashMap::new();
    for _ in 0..4 * EACH {
        let message = fixture.next().await;
        let next = next.entry(message.key.clone()).or_default();
        assert_eq!(number(&message), *next);
        *next += 1;
    }
    for session in sessions {
        session.await.unwrap();
    }
}

pub async fn a_message_too_large_ends_the_session<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let (publisher, topic) = (fixture.publisher(), fixture.topic());
    let mut over = session(&publisher).await;
    let large = Message {
        payload: vec![0; publisher.message_bytes_max() + 1].into(),
        ..message(&topic, "k", 3)
    };
    let batch = vec![message(&topic, "k", 1), message(&topic, "k", 2), large];
    let first = over.publish(batch).await;
    let second = over.publish(vec![message(&topic, "k", 4)]).await;
    let refused = first.await.unwrap_err();
    assert_eq!(refused.error, PublishError::TooLarge);
    assert!(refused.acknowledged <= 2);
    assert_eq!(second.await.unwrap_err().acknowledged, 0);
    let again = over.publish(vec![message(&topic, "k", 4)]).await.await.unwrap_err();
    assert_eq!((again.acknowledged, again.error), (0, PublishError::Over));

    // The rest is offered again, and comes after what was acknowledged; nothing lies between.
    let mut next = session(&publisher).await;
    let rest = (refused.acknowledged as u64 + 1..6).map(|n| message(&topic, "k", n)).collect();
    next.publish(rest).await.await.unwrap();
    let mut seen = HashSet::new();
    let mut newest = 0;
    while newest < 5 {
        let n = number(&fixture.next().await);
        assert!(n <= newest + 1, "{n} after {newest}");
        newest = newest.max(n);
        seen.insert(n);
    }
    assert_eq!(seen.len(), 5);
}
