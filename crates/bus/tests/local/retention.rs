//! What the bus keeps, what it does when it is full, and what a restart means.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use gamemesh_bus::{
    Consumer, ConsumerEvent, ConsumerOptions, Consumers, LocalBus, Message, PARTITION_MESSAGES_MAX,
    Publisher, TopicPartition,
};
use tokio::time::timeout;

use super::relay::Relayed;

fn message(position: u64) -> Message {
    Message {
        topic: "t".into(),
        key: Bytes::from_static(b"k"),
        payload: Bytes::new(),
        headers: vec![],
        lane: 0,
        position,
    }
}

async fn join(bus: &LocalBus, group: &str) -> Box<dyn Consumer> {
    bus.consumer(group, &["t"], ConsumerOptions::default()).await.unwrap()
}

#[tokio::test]
async fn it_has_subscribers_while_somebody_reads_the_topic() {
    let bus = LocalBus::new();
    let has_subscribers = bus.has_subscribers(&["s".into(), "t".into()]);
    let of_other = bus.has_subscribers(&["u".into()]);
    assert!(!*has_subscribers.borrow());
    let (first, second) = (join(&bus, "g").await, join(&bus, "h").await);
    assert!(*has_subscribers.borrow() && !*of_other.borrow());
    drop(first);
    assert!(*has_subscribers.borrow());
    second.close().await.unwrap();
    assert!(!*has_subscribers.borrow());
}

#[tokio::test]
async fn a_full_partition_holds_the_publisher_and_loses_nothing() {
    let bus = LocalBus::new();
    let mut slow = join(&bus, "slow").await;
    let mut quick = join(&bus, "quick").await;
    let count = PARTITION_MESSAGES_MAX as u64 + 10;
    let mut session = bus.session().await.unwrap();
    let publish = async {
        session.publish((1..=count).map(message).collect()).await.await.unwrap();
    };
    let mut publish = std::pin::pin!(publish);
    assert!(timeout(Duration::from_millis(50), publish.as_mut()).await.is_err());
    let read = async |consumer: &mut Box<dyn Consumer>| {
        let mut next = 1;
        while next <= count {
            let ConsumerEvent::Messages(messages) = consumer.next().await.unwrap() else {
                continue;
            };
            for message in &messages {
                assert_eq!(message.offset, next);
                next += 1;
            }
            consumer.commit(&[messages.last().unwrap().next_offset()]).await.unwrap();
        }
    };
    // One group alone makes no room: the other has not been there.
    let mut alone = std::pin::pin!(read(&mut quick));
    tokio::select! {
        () = publish.as_mut() => panic!("the slow group is forgotten"),
        () = alone.as_mut() => panic!("there was no room for all"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    tokio::join!(publish, alone, read(&mut slow));
}

/// Messages until there are so many; offsets and effects are kept together.
async fn apply(
    bus: &LocalBus,
    store: &mut (BTreeSet<u64>, BTreeMap<TopicPartition, u64>),
    count: usize,
) -> usize {
    let mut consumer = join(bus, "stats").await;
    let mut applied = 0;
    while store.0.len() < count {
        let event = timeout(Duration::from_secs(30), consumer.next()).await.expect("it stalls");
        match event.unwrap() {
            ConsumerEvent::Assigned { partitions, .. } => {
                for partition in partitions {
                    let offset = store.1.get(&partition).copied().unwrap_or(0);
                    consumer.seek(&partition, offset).unwrap();
                }
            }
            ConsumerEvent::Messages(messages) => {
                for message in messages {
                    let number = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
                    assert!(store.0.insert(number), "{number} comes again");
                    store.1.insert(message.partition.clone(), message.offset + 1);
                    applied += 1;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    applied
}

/// The log outlives the process, the bus does not: who keeps his offsets gets what he has not seen, once,
/// whatever was written while nobody read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_positions_of_the_log_and_outlive_the_bus() {
    let mut relayed = Relayed::new(3);
    let mut store = (BTreeSet::new(), BTreeMap::new());
    for process in 1..=3_u64 {
        for n in (process - 1) * 500..process * 500 {
            relayed.append(Bytes::from(format!("k{}", n % 7)), Bytes::from(n.to_string()));
        }
        let before = store.0.len();
        let applied = apply(&relayed.bus, &mut store, process as usize * 400).await;
        assert_eq!(applied, store.0.len() - before);
        relayed = relayed.restarted();
    }
    apply(&relayed.bus, &mut store, 1_500).await;
    assert_eq!(store.0, (0..1_500).collect());
}
