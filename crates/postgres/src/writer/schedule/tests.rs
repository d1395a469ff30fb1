use std::collections::BTreeMap;

use gamemesh_repository::{Append, Idempotency};
use proptest::prelude::*;

use super::super::queue::Command;
use super::super::replies::replies;
use super::*;

const LANES: u16 = 4;

/// An append that is told from others by its time.
fn queued(number: i64, lanes: &BTreeSet<u16>) -> Queued {
    let append = Append { streams: vec![], idempotency: None, fence: None, now_us: number };
    let reply = replies(1).0.next().unwrap();
    let lanes: Vec<u16> = lanes.iter().copied().collect();
    let lanes = match lanes[..] {
        [lane] => Lanes::One(lane),
        _ => Lanes::Many(lanes),
    };
    Box::new(Command { append, reply, lanes, events: 1, bytes: 1 })
}

fn next(schedule: &mut Schedule) -> Option<(Vec<u16>, Vec<i64>)> {
    next_beside(schedule, false)
}

fn next_beside(schedule: &mut Schedule, beside: bool) -> Option<(Vec<u16>, Vec<i64>)> {
    let started = schedule.next_batch(beside)?;
    Some((started.lanes, started.commands.iter().map(|queued| queued.append.now_us).collect()))
}

fn release(schedule: &mut Schedule, lanes: &[u16]) {
    schedule.release(&AtWork { lanes: lanes.to_vec(), keys: vec![], commands: 0 });
}

#[test]
fn lanes_work_side_by_side_and_meet_where_they_must() {
    let mut schedule = Schedule::new(LANES);
    for lane in 0..LANES {
        schedule.set_contended(lane, true);
    }
    let pushes: [&[u16]; 7] = [&[0], &[1], &[0], &[0, 1], &[1], &[2], &[1, 2]];
    for (number, lanes) in pushes.into_iter().enumerate() {
        schedule.push(queued(number as i64, &lanes.iter().copied().collect()));
    }
    assert_eq!(next(&mut schedule), Some((vec![0], vec![0, 2])));
    assert_eq!(next(&mut schedule), Some((vec![1], vec![1])));
    assert_eq!(next(&mut schedule), Some((vec![2], vec![5])));
    assert_eq!(next(&mut schedule), None);
    release(&mut schedule, &[1]);
    assert_eq!(next(&mut schedule), None);
    release(&mut schedule, &[0]);
    assert_eq!(next(&mut schedule), Some((vec![0, 1], vec![3, 4])));
    release(&mut schedule, &[0, 1]);
    assert_eq!(next(&mut schedule), None);
    release(&mut schedule, &[2]);
    assert_eq!(next(&mut schedule), Some((vec![1, 2], vec![6])));
    assert!(schedule.is_empty());
}

#[test]
fn small_batches_take_in_the_lanes_that_are_free() {
    let mut schedule = Schedule::new(LANES);
    let push = |schedule: &mut Schedule, number, lane, events| {
        schedule.push(Box::new(Command { events, ..*queued(number, &BTreeSet::from([lane])) }));
    };
    for lane in [2, 0, 3] {
        push(&mut schedule, i64::from(lane), lane, 1);
    }
    assert_eq!(next(&mut schedule), Some((vec![0, 2, 3], vec![0, 2, 3])));
    // A small one waits for what is at work, unless that takes too long.
    push(&mut schedule, 4, 1, 1);
    assert_eq!(next_beside(&mut schedule, true), None);
    assert_eq!(next(&mut schedule), Some((vec![1], vec![4])));
    release(&mut schedule, &[0, 1, 2, 3]);
    // Large ones go by themselves, beside others, and so does a lane that others write to.
    push(&mut schedule, 5, 0, 1);
    push(&mut schedule, 6, 1, JOINT_EVENTS_MAX.max(BESIDE_EVENTS_MIN));
    push(&mut schedule, 7, 2, 1);
    push(&mut schedule, 8, 3, 1);
    schedule.set_contended(2, true);
    assert_eq!(next_beside(&mut schedule, true), Some((vec![2], vec![7])));
    assert_eq!(next_beside(&mut schedule, true), Some((vec![1], vec![6])));
    assert_eq!(next_beside(&mut schedule, true), None);
    assert_eq!(next(&mut schedule), Some((vec![0, 3], vec![8, 5])));
    assert!(schedule.is_empty() && !schedule.can_start());
}

#[test]
fn a_batch_is_bounded() {
    let mut schedule = Schedule::new(1);
    for number in 0..BATCH_COMMANDS_MAX as i64 + 5 {
        schedule.push(queued(number, &BTreeSet::from([0])));
    }
    assert_eq!(next(&mut schedule).unwrap().1.len(), BATCH_COMMANDS_MAX);
    assert!(!schedule.can_start());
    release(&mut schedule, &[0]);
    assert!(schedule.can_start());
    assert_eq!(next(&mut schedule).unwrap().1.len(), 5);
}

#[test]
fn the_same_key_keeps_its_order_over_lanes() {
    let keyed = |number, lane| {
        let mut queued = queued(number, &BTreeSet::from([lane]));
        let idempotency = Idempotency { key: "k".to_owned(), fingerprint: [0; 16] };
        queued.append.idempotency = Some(idempotency);
        queued
    };
    let mut schedule = Schedule::new(LANES);
    schedule.push(keyed(0, 1));
    let first = schedule.next_batch(false).unwrap();
    schedule.push(keyed(1, 2));
    schedule.push(keyed(2, 3));
    schedule.push(queued(3, &BTreeSet::from([3])));
    assert!(schedule.next_batch(false).is_none());
    schedule.release(&first.at_work());
    let second = schedule.next_batch(false).unwrap();
    assert_eq!(second.lanes, [1, 2, 3]);
    assert_eq!(second.commands.iter().map(|c| c.append.now_us).collect::<Vec<_>>(), [1, 2, 3]);
    schedule.release(&second.at_work());
    // Nothing is left to wait for.
    schedule.push(keyed(4, 0));
    assert_eq!(schedule.next_batch(false).unwrap().lanes, [0]);
}

#[derive(Debug, Clone)]
enum Step {
    Push(BTreeSet<u16>),
    Start,
    Release(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::btree_set(0..LANES, 1..4).prop_map(Step::Push),
        2 => Just(Step::Start),
        2 => any::<prop::sample::Index>().prop_map(Step::Release),
    ]
}

proptest! {
    /// Whatever comes and goes: nothing is lost, each lane keeps its order, no lane is in two
    /// batches at once, and when all batches end everything gets its turn.
    #[test]
    fn order_and_progress(steps in prop::collection::vec(step(), 1..80)) {
        let mut schedule = Schedule::new(LANES);
        let mut pushed: Vec<BTreeSet<u16>> = Vec::new();
        let mut at_work: Vec<Vec<u16>> = Vec::new();
        let mut served: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        let mut count = 0;
        let mut start = |schedule: &mut Schedule,
                         pushed: &[BTreeSet<u16>],
                         at_work: &mut Vec<Vec<u16>>| {
            let Some((lanes, commands)) = next(schedule) else { return false };
            assert!(at_work.iter().flatten().all(|lane| !lanes.contains(lane)));
            assert!(!commands.is_empty());
            for number in commands {
                let number = number as usize;
                for lane in &pushed[number] {
                    assert!(lanes.contains(lane));
                    served.entry(*lane).or_default().push(number);
                }
                count += 1;
            }
            at_work.push(lanes);
            true
        };
        for step in steps {
            match step {
                Step::Push(lanes) => {
                    schedule.push(queued(pushed.len() as i64, &lanes));
                    pushed.push(lanes);
                }
                Step::Start => while start(&mut schedule, &pushed, &mut at_work) {},
                Step::Release(which) if !at_work.is_empty() => {
                    let lanes = at_work.remove(which.index(at_work.len()));
                    release(&mut schedule, &lanes);
                }
                Step::Release(_) => {}
            }
        }
        loop {
            let started = start(&mut schedule, &pushed, &mut at_work);
            let ended = at_work.pop();
            if let Some(lanes) = &ended {
                release(&mut schedule, lanes);
            }
            if !started && ended.is_none() {
                break;
            }
        }
        prop_assert!(schedule.is_empty());
        prop_assert_eq!(count, pushed.len());
        for numbers in served.values() {
            prop_assert!(numbers.is_sorted());
        }
    }
}
