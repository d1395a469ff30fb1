//! Refusals that a real broker gives seldom, from librdkafka's own mock cluster.

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_bus::{Message, PublishError, Publisher};
use gamemesh_kafka::{KafkaOptions, KafkaPublisher};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::conformance::{next, reader};

const TOPIC: &str = "t";

fn messages(numbers: std::ops::RangeInclusive<u64>) -> Vec<Message> {
    numbers
        .map(|n| Message {
            topic: TOPIC.into(),
            key: Bytes::from_static(b"k"),
            payload: Bytes::from(n.to_string()),
            headers: vec![],
            lane: 0,
            position: n,
        })
        .collect()
}

fn publisher(brokers: &str) -> Arc<dyn Publisher> {
    Arc::new(KafkaPublisher::open(KafkaOptions::new(vec![brokers.to_owned()])).unwrap())
}

/// Passing failures are librdkafka's to retry: nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passing_refusal_is_retried_in_order() {
    use RDKafkaRespErr as E;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[
            E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        ],
    );
    let mut session = publisher(&brokers).session().await.unwrap();
    let mut pending = Vec::new();
    for first in [1, 101, 201] {
        pending.push(session.publish(messages(first..=first + 99)).await);
    }
    for pending in pending {
        pending.await.unwrap();
    }
    let reader = reader(&brokers, TOPIC);
    for n in 1..=300_u64 {
        assert_eq!(next(&reader).await.payload, n.to_string());
    }
}

/// A lasting refusal ends everything that was on its way; the next session goes on without a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lasting_refusal_lets_nothing_behind_it_through() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let publisher = publisher(&brokers);
    let mut session = publisher.session().await.unwrap();
    session.publish(messages(1..=100)).await.await.unwrap();
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[refusal]);
    let mut pending = Vec::new();
    for first in [101, 201, 301] {
        pending.push(session.publish(messages(first..=first + 99)).await);
    }
    let mut acknowledged = 100;
    let mut refused = Vec::new();
    for pending in pending {
        match pending.await {
            Ok(()) if refused.is_empty() => acknowledged += 100,
            Ok(()) => {}
            Err(error) => {
                if refused.is_empty() {
                    acknowledged += error.acknowledged as u64;
                }
                refused.push(error.error);
            }
        }
    }
    assert_eq!(refused.first(), Some(&PublishError::TooLarge), "{refused:?}");

    let mut session = loop {
        match publisher.session().await {
            Ok(session) => break session,
            Err(PublishError::Unavailable(_)) => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    session.publish(messages(acknowledged + 1..=400)).await.await.unwrap();
    let reader = reader(&brokers, TOPIC);
    let mut newest = 0;
    while newest < 400 {
        let message = next(&reader).await;
        let n: u64 = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
        assert!(n <= newest + 1, "{n} after {newest}");
        newest = newest.max(n);
    }
}
