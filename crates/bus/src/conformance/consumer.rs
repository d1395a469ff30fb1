//! The laws of reading.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::timeout;

use crate::{
    CommitOffset, ConsumeError, Consumer, ConsumerEvent, ConsumerOptions, Consumers, Generation,
    ReceivedMessage, StartOffset, TopicPartition,
};

/// Partitions of the topic of a [`ConsumerFixture`].
pub const PARTITIONS: u32 = 4;

/// What has to come comes within this time, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// What must not come has had this time to.
const SILENCE: Duration = Duration::from_millis(400);

/// An empty topic of [`PARTITIONS`] partitions.
#[async_trait]
pub trait ConsumerFixture: Send + Sync + Sized + 'static {
    async fn fresh() -> Self;

    fn consumers(&self) -> Arc<dyn Consumers>;

    fn topic(&self) -> Arc<str>;

    /// Publishes a key and a payload for each, in this order. They are there for whoever reads the topic from its
    /// beginning, whenever he comes.
    async fn publish(&self, messages: Vec<(Bytes, Bytes)>);

    /// The shortest time of silence after which a member can lose its partitions.
    fn poll_interval_min() -> Duration;
}

/// One test for each law, on a fixture.
#[macro_export]
macro_rules! consumer_conformance_suite {
    ($fixture:ident) => {
        $crate::consumer_conformance_suite! { @ $fixture;
            each_group_gets_everything_in_order a_group_goes_on_at_its_commit
                offsets_kept_with_the_effects_make_them_exact
                latest_begins_with_what_comes two_members_share_the_partitions
                a_pause_keeps_the_partitions a_silent_member_is_fenced
                members_that_come_and_go_lose_and_repeat_nothing
        }
    };
    (@ $fixture:ident; $($law:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                $crate::conformance::consumer::$law::<$fixture>().await;
            }
        )*
    };
}

/// The numbers as messages, over seven keys.
fn numbered(numbers: std::ops::Range<u64>) -> Vec<(Bytes, Bytes)> {
    let message = |n: u64| (Bytes::from(format!("k{}", n % 7)), Bytes::from(n.to_string()));
    numbers.map(message).collect()
}

fn number(message: &ReceivedMessage) -> u64 {
    std::str::from_utf8(&message.payload).unwrap().parse().unwrap()
}

/// A new member of a group of the fixture's own: laws run side by side on one broker, and a member of one
/// must not hold up a rebalance of another.
async fn join<F: ConsumerFixture>(
    fixture: &F,
    group: &str,
    options: ConsumerOptions,
) -> Box<dyn Consumer> {
    let topic = fixture.topic();
    fixture.consumers().consumer(&format!("{group}-{topic}"), &[&*topic], options).await.unwrap()
}

async fn event(consumer: &mut Box<dyn Consumer>) -> ConsumerEvent {
    let next = async {
        loop {
            match consumer.next().await {
                Ok(event) => return event,
                // The topic may not be known everywhere yet.
                Err(ConsumeError::Unavailable(_)) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(PATIENCE, next).await.expect("nothing came")
}

/// Whether the member is told nothing for a while.
async fn is_silent(consumer: &mut Box<dyn Consumer>) -> bool {
    timeout(SILENCE, consumer.next()).await.is_err()
}

/// Waits until the member has so many partitions, and answers them.
async fn assigned(
    consumer: &mut Box<dyn Consumer>,
    count: usize,
) -> (BTreeSet<TopicPartition>, Generation) {
    let mut all = BTreeSet::new();
    loop {
        match event(consumer).await {
            ConsumerEvent::Assigned { partitions, generation } => {
                all.extend(partitions);
                if all.len() == count {
                    return (all, generation);
                }
            }
            ConsumerEvent::Revoked(partitions) => all.retain(|p| !partitions.contains(p)),
            other => panic!("{other:?}"),
        }
    }
}

/// So many messages.
async fn read(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<ReceivedMessage> {
    let mut got = Vec::new();
    while got.len() < count {
        if let ConsumerEvent::Messages(messages) = event(consumer).await {
            assert!(!messages.is_empty());
            got.extend(messages);
        }
    }
    got
}

fn assert_ordered(messages: &[ReceivedMessage]) {
    let mut keys: HashMap<&Bytes, u64> = HashMap::new();
    let mut offsets: HashMap<&TopicPartition, u64> = HashMap::new();
    for message in messages {
        let before = keys.insert(&message.key, number(message));
        assert!(before.is_none_or(|before| before < number(message)), "{:?}", message.key);
        let before = offsets.insert(&message.partition, message.offset);
        assert!(before.is_none_or(|before| before < message.offset), "{}", message.partition);
    }
}

/// The offset behind the last message of each partition.
fn ends(messages: &[ReceivedMessage]) -> Vec<CommitOffset> {
    let ends: BTreeMap<_, _> =
        messages.iter().map(|m| (m.partition.clone(), m.next_offset())).collect();
    ends.into_values().collect()
}

pub async fn each_group_gets_everything_in_order<F: ConsumerFixture>() {
    const COUNT: usize = 1_000;
    let fixture = F::fresh().await;
    fixture.publish(numbered(0..COUNT as u64)).await;
    for group in ["one", "two"] {
        let options = ConsumerOptions { poll_messages_max: 64, ..ConsumerOptions::default() };
        let mut consumer = join(&fixture, group, options).await;
        let mut got = Vec::new();
        while got.len() < COUNT {
            let batch = read(&mut consumer, 1).await;
            assert!(batch.len() <= 64);
            got.extend(batch);
        }
        assert_ordered(&got);
        assert!(got.iter().all(|message| message.timestamp_ms > 0));
        let numbers: BTreeSet<u64> = got.iter().map(number).collect();
        assert_eq!(numbers.len(), COUNT);
        consumer.close().await.unwrap();
    }
}

pub async fn a_group_goes_on_at_its_commit<F: ConsumerFixture>() {
    let fixture = F::fresh().await;
    fixture.publish(numbered(0..200)).await;
    let mut consumer = join(&fixture, "g", ConsumerOptions::default()).await;
    let got = read(&mut consumer, 200).await;
    // Half of it is done with.
    let done = &got[..100];
    consumer.commit(&ends(done)).await.unwrap();
    consumer.close().await.unwrap();
    fixture.publish(numbered(200..300)).await;
    let mut consumer = join(&fixture, "g", ConsumerOptions::default()).await;
    let rest = read(&mut consumer, 200).await;
    assert_ordered(&rest);
    let all: BTreeSet<u64> = done.iter().chain(&rest).map(number).collect();
    assert_eq!((rest.len(), all.len()), (200, 300));
}

pub async fn offsets_kept_with_the_effects_make_them_exact<F: ConsumerFixture>() {
    const COUNT: usize = 400;
    let fixture = F::fresh().await;
    fixture.publish(numbered(0..COUNT as u64)).await;
    // What a store would hold: effects and offsets, written together.
    let mut effects: Vec<ReceivedMessage> = Vec::new();
    let mut offsets: HashMap<TopicPartition, u64> = HashMap::new();
    while effects.len() < COUNT {
        let options = ConsumerOptions { poll_messages_max: 30, ..ConsumerOptions::default() };
        let mut consumer = join(&fixture, "g", options).await;
        let mut polls = 0;
        // It dies without a commit, with a poll that has no effect.
        while polls < 5 && effects.len() < COUNT {
            match event(&mut consumer).await {
                ConsumerEvent::Assigned { partitions, .. } => {
                    for partition in &partitions {
                        if let Some(offset) = offsets.get(partition) {
                            consumer.seek(partition, *offset).unwrap();
                        }
                    }
                }
                ConsumerEvent::Messages(messages) => {
                    polls += 1;
                    if polls < 5 {
                        let ends = ends(&messages).into_iter();
                        offsets.extend(ends.map(|end| (end.partition, end.offset)));
                        effects.extend(messages);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        let some = TopicPartition::new(fixture.topic(), 0);
        assert_eq!(consumer.seek(&some, 0), Err(ConsumeError::Fenced), "only when it is assigned");
    }
    assert_ordered(&effects);
    assert_eq!(effects.iter().map(number).collect::<BTreeSet<u64>>().len(), effects.len());
}

pub async fn latest_begins_with_what_comes<F: ConsumerFixture>() {
    let fixture = F::fresh().await;
    fixture.publish(numbered(0..50)).await;
    // Somebody reads the topic already.
    let mut other = join(&fixture, "other", ConsumerOptions::default()).await;
    read(&mut other, 50).await;
    let options = ConsumerOptions { start: StartOffset::Latest, ..ConsumerOptions::default() };
    let mut consumer = join(&fixture, "g", options).await;
    assigned(&mut consumer, PARTITIONS as usize).await;
    // Where the end is may have to be asked for.
    let early = timeout(5 * SILENCE, consumer.next()).await;
    assert!(early.is_err(), "{early:?}");
    fixture.publish(numbered(50..100)).await;
    let got = read(&mut consumer, 50).await;
    assert_eq!(got.iter().map(number).collect::<BTreeSet<u64>>(), (50..100).collect());
}

pub async fn two_members_share_the_partitions<F: ConsumerFixture>() {
    let fixture = F::fresh().await;
    fixture.publish(numbered(0..100)).await;
    let mut first = join(&fixture, "g", ConsumerOptions::default()).await;
    let got = read(&mut first, 100).await;
    let mut second = join(&fixture, "g", ConsumerOptions::default()).await;

    // The second gets nothing before the first has given it up.
    let revoked = tokio::select! {
        event = event(&mut first) => event,
        event = event(&mut second) => panic!("{event:?}"),
    };
    let ConsumerEvent::Revoked(revoked) = revoked else { panic!("{revoked:?}") };
    assert_eq!(revoked.len(), 2);
    assert!(is_silent(&mut second).await);
    first.commit(&ends(&got)).await.unwrap();
    let ((), (theirs, generation)) = tokio::join!(
        async { assert!(timeout(5 * SILENCE, first.next()).await.is_err()) },
        assigned(&mut second, 2),
    );
    assert_eq!(theirs, revoked.into_iter().collect());
    let of_theirs: Vec<_> = theirs.iter().map(|p| commit(p, 1)).collect();
    assert_eq!(first.commit(&of_theirs).await, Err(ConsumeError::Fenced));

    fixture.publish(numbered(100..300)).await;
    let (mut of_first, mut of_second) = (Vec::new(), Vec::new());
    while of_first.len() + of_second.len() < 200 {
        let (into, event) = tokio::select! {
            event = event(&mut first) => (&mut of_first, event),
            event = event(&mut second) => (&mut of_second, event),
        };
        let ConsumerEvent::Messages(messages) = event else { panic!("{event:?}") };
        into.extend(messages);
    }
    assert!(of_first.iter().all(|message| !theirs.contains(&message.partition)));
    assert!(of_second.iter().all(|message| theirs.contains(&message.partition)));
    let all: BTreeSet<u64> = of_first.iter().chain(&of_second).map(number).collect();
    assert_eq!(all, (100..300).collect());

    // Whoever leaves gives all of it back.
    second.commit(&ends(&of_second)).await.unwrap();
    second.close().await.unwrap();
    let (back, later) = assigned(&mut first, 2).await;
    assert_eq!(back, theirs);
    assert!(later > generation, "{later:?} after {generation:?}");
}

fn commit(partition: &TopicPartition, offset: u64) -> CommitOffset {
    CommitOffset { partition: partition.clone(), offset }
}

pub async fn a_pause_keeps_the_partitions<F: ConsumerFixture>() {
    let fixture = F::fresh().await;
    fixture.publish(numbered(0..50)).await;
    let mut consumer = join(&fixture, "g", ConsumerOptions::default()).await;
    let mut all = Vec::new();
    let mut partitions = Vec::new();
    while all.len() < 50 {
        match event(&mut consumer).await {
            ConsumerEvent::Assigned { partitions: new, .. } => partitions.extend(new),
            ConsumerEvent::Messages(messages) => all.extend(messages),
            other => panic!("{other:?}"),
        }
    }
    consumer.pause(&partitions).unwrap();
    fixture.publish(numbered(50..100)).await;
    assert!(is_silent(&mut consumer).await);
    let ends = ends(&all);
    consumer.commit(&ends).await.unwrap();
    consumer.resume(&partitions[..1]).unwrap();
    consumer.resume(&partitions[1..]).unwrap();
    all.extend(read(&mut consumer, 50).await);
    assert_ordered(&all);
    assert_eq!(all.len(), 100);
    let unknown = [TopicPartition::new(fixture.topic(), PARTITIONS)];
    assert_eq!(consumer.pause(&unknown), Err(ConsumeError::Fenced));
}

pub async fn a_silent_member_is_fenced<F: ConsumerFixture>() {
    let fixture = F::fresh().await;
    fixture.publish(numbered(0..100)).await;
    let options =
        ConsumerOptions { poll_interval_max: F::poll_interval_min(), ..ConsumerOptions::default() };
    let mut silent = join(&fixture, "g", options).await;
    let (_, before) = assigned(&mut silent, PARTITIONS as usize).await;
    let got = read(&mut silent, 100).await;
    // It stops here, and another takes over what it has not committed.
    let mut other = join(&fixture, "g", ConsumerOptions::default()).await;
    let (_, after) = assigned(&mut other, PARTITIONS as usize).await;
    assert!(after > before, "{after:?} after {before:?}");
    let again = read(&mut other, 100).await;
    assert_eq!(again.len(), 100);
    other.commit(&ends(&again)).await.unwrap();
    // It wakes up.
    assert_eq!(silent.commit(&ends(&got)).await, Err(ConsumeError::Fenced));
    let told = async {
        let mut gone = BTreeSet::new();
        while gone.len() < PARTITIONS as usize {
            match silent.next().await {
                // It may have been asked to give some up before it lost the rest.
                Ok(ConsumerEvent::Lost(lost) | ConsumerEvent::Revoked(lost)) => gone.extend(lost),
                // Its client may tell first that it was too slow.
                Err(ConsumeError::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(PATIENCE, told).await.expect("it is not told");
}

pub async fn members_that_come_and_go_lose_and_repeat_nothing<F: ConsumerFixture>() {
    const COUNT: u64 = 2_000;
    let fixture = Arc::new(F::fresh().await);
    let publish = tokio::spawn({
        let fixture = fixture.clone();
        async move {
            for first in (0..COUNT).step_by(100) {
                fixture.publish(numbered(first..first + 100)).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let options = ConsumerOptions { poll_messages_max: 20, ..ConsumerOptions::default() };
    let mut members = vec![join(&*fixture, "g", options).await];
    let mut got: Vec<ReceivedMessage> = Vec::new();
    let mut open: HashMap<usize, Vec<ReceivedMessage>> = HashMap::new();
    let mut turns = 0_usize;
    while got.len() < COUNT as usize {
        turns += 1;
        let at = turns % members.len();
        if turns.is_multiple_of(40) && members.len() < 3 {
            members.push(join(&*fixture, "g", options).await);
        } else if turns.is_multiple_of(70) && members.len() > 1 {
            // What it has read is committed before it leaves.
            let (last, mut member) = (members.len() - 1, members.pop().unwrap());
            member.commit(&ends(&open.remove(&last).unwrap_or_default())).await.unwrap();
            member.close().await.unwrap();
            continue;
        }
        let Ok(event) = timeout(Duration::from_millis(10), members[at].next()).await else {
            continue;
        };
        match event {
            Ok(ConsumerEvent::Messages(messages)) => {
                open.entry(at).or_default().extend(messages.iter().cloned());
                got.extend(messages);
            }
            Ok(ConsumerEvent::Revoked(_)) => {
                let done = open.remove(&at).unwrap_or_default();
                members[at].commit(&ends(&done)).await.unwrap();
            }
            Ok(ConsumerEvent::Assigned { .. }) | Err(ConsumeError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    publish.await.unwrap();
    assert_ordered(&got);
    assert_eq!(got.iter().map(number).collect::<BTreeSet<u64>>(), (0..COUNT).collect());
}
