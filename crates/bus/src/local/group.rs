//! A group: who has which partition, and how far the group is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::{ConsumerOptions, StartOffset, TopicPartition};

pub(super) type MemberId = u64;

#[derive(Debug)]
pub(super) struct Group {
    pub(super) members: BTreeMap<MemberId, Member>,
    pub(super) progress: HashMap<TopicPartition, Progress>,
    /// Grows with every partition that gets an owner.
    pub(super) generation: u64,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) topics: BTreeSet<String>,
    pub(super) options: ConsumerOptions,
    pub(super) holdings: BTreeMap<TopicPartition, Holding>,
    /// Which of them is the first of the next poll.
    pub(super) turn: usize,
    pub(super) polled: Instant,
}

/// A partition of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) phase: Phase,
    pub(super) is_paused: bool,
    /// Where the member wants to begin.
    pub(super) seek: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The member does not know of it yet.
    New,
    /// It was told, and may say where to begin.
    Assigned,
    Active,
    /// It is to be told that it has to give the partition up.
    Leaving,
    /// It was told; its next call gives the partition up.
    Revoked,
}

/// How far a group is in a partition.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// What is delivered next; unknown until the partition begins.
    pub(super) next: Option<u64>,
    /// What the group may ask for again.
    pub(super) committed: Option<u64>,
}

impl Group {
    pub(super) fn new(generation: u64) -> Self {
        Self { members: BTreeMap::new(), progress: HashMap::new(), generation }
    }

    pub(super) fn reads(&self, topic: &str) -> bool {
        self.members.values().any(|member| member.topics.contains(topic))
    }

    fn owner(&self, partition: &TopicPartition) -> Option<MemberId> {
        let holds = |member: &&Member| member.holdings.contains_key(partition);
        self.members.iter().find(|(_, member)| holds(member)).map(|(id, _)| *id)
    }

    /// Shares the partitions of a topic out evenly, moving as few as possible. A partition that has an
    /// owner is not given to another before he has given it up.
    pub(super) fn rebalance(&mut self, topic: &std::sync::Arc<str>, partitions: u32) {
        let target = self.target(topic, partitions);
        for (partition, wanted) in target {
            match self.owner(&partition) {
                None => self.assign(wanted, partition),
                Some(owner) => {
                    let Some(member) = self.members.get_mut(&owner) else { continue };
                    let Some(holding) = member.holdings.get_mut(&partition) else { continue };
                    match (owner == wanted, holding.phase) {
                        (true, Phase::Leaving) => holding.phase = Phase::Active,
                        (false, Phase::New) => {
                            member.holdings.remove(&partition);
                            self.assign(wanted, partition);
                        }
                        (false, Phase::Assigned | Phase::Active) => holding.phase = Phase::Leaving,
                        _ => {}
                    }
                }
            }
        }
    }

    fn assign(&mut self, to: MemberId, partition: TopicPartition) {
        if let Some(member) = self.members.get_mut(&to) {
            self.generation += 1;
            let new = Holding { phase: Phase::New, is_paused: false, seek: None };
            member.holdings.insert(partition, new);
        }
    }

    /// Who should have each partition: everybody keeps what he has up to his share.
    fn target(
        &self,
        topic: &std::sync::Arc<str>,
        partitions: u32,
    ) -> BTreeMap<TopicPartition, MemberId> {
        let mut kept: Vec<(MemberId, Vec<u32>)> = Vec::new();
        for (id, member) in self.members.iter().filter(|(_, m)| m.topics.contains(&**topic)) {
            let held = member.holdings.iter().filter(|(p, h)| {
                p.topic == *topic && p.partition < partitions && h.phase != Phase::Revoked
            });
            kept.push((*id, held.map(|(p, _)| p.partition).collect()));
        }
        let Ok(members) = u32::try_from(kept.len()) else { return BTreeMap::new() };
        if members == 0 {
            return BTreeMap::new();
        }
        // Whoever has the most keeps the most.
        kept.sort_by_key(|(id, held)| (std::cmp::Reverse(held.len()), *id));
        let (least, more) = (partitions / members, partitions % members);
        let share = |index: usize| (least + u32::from((index as u64) < u64::from(more))) as usize;
        let mut free: BTreeSet<u32> = (0..partitions).collect();
        for (index, (_, held)) in kept.iter_mut().enumerate() {
            held.truncate(share(index));
            free.retain(|partition| !held.contains(partition));
        }
        let mut target = BTreeMap::new();
        for (index, (id, mut held)) in kept.into_iter().enumerate() {
            while held.len() < share(index) {
                let Some(partition) = free.pop_first() else { break };
                held.push(partition);
            }
            for partition in held {
                target.insert(TopicPartition { topic: topic.clone(), partition }, id);
            }
        }
        target
    }

    /// Puts members out that keep others waiting and have not polled for too long.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let before = self.members.len();
        self.members.retain(|_, member| member.blocks_until().is_none_or(|until| until > now));
        self.members.len() < before
    }

    /// When the next member is put out, as it looks now.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.members.values().filter_map(Member::blocks_until).min()
    }
}

impl Member {
    /// Until when others wait for what this member has to give up.
    fn blocks_until(&self) -> Option<Instant> {
        let gives_up = |h: &Holding| matches!(h.phase, Phase::Leaving | Phase::Revoked);
        let blocks = self.holdings.values().any(gives_up);
        blocks.then(|| self.polled + self.options.poll_interval_max)
    }

    /// The partitions in one phase move to the next.
    pub(super) fn advance(&mut self, from: Phase, to: Phase) -> Vec<TopicPartition> {
        let mut moved = Vec::new();
        for (partition, holding) in &mut self.holdings {
            if holding.phase == from {
                holding.phase = to;
                moved.push(partition.clone());
            }
        }
        moved
    }

    /// Whether the member may speak for the partition.
    pub(super) fn owns(&self, partition: &TopicPartition) -> bool {
        self.holdings.get(partition).is_some_and(|holding| holding.phase != Phase::New)
    }
}

impl Progress {
    /// Where a member begins: where it wants to, where the group is, or where its options say. `end` is
    /// the newest offset of the partition plus one, if that is known.
    pub(super) fn start(
        &self,
        seek: Option<u64>,
        start: StartOffset,
        end: Option<u64>,
    ) -> Option<u64> {
        seek.or(self.committed).or(match start {
            StartOffset::Earliest => Some(0),
            StartOffset::Latest => end,
        })
    }
}

/// So long may a member be silent at least, whatever it asks for.
pub(super) const POLL_INTERVAL_MIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn group(members: &[MemberId]) -> Group {
        let mut group = Group::new(0);
        for id in members {
            group.members.insert(
                *id,
                Member {
                    topics: ["t".to_owned()].into(),
                    options: ConsumerOptions::default(),
                    holdings: BTreeMap::new(),
                    turn: 0,
                    polled: Instant::now(),
                },
            );
        }
        group
    }

    fn held(group: &Group, id: MemberId, phase: Phase) -> Vec<u32> {
        let holdings = group.members[&id].holdings.iter();
        holdings.filter(|(_, h)| h.phase == phase).map(|(p, _)| p.partition).collect()
    }

    #[tokio::test]
    async fn a_newcomer_gets_his_share_when_it_is_given_up_and_nothing_else_moves() {
        let topic: Arc<str> = "t".into();
        let mut group = group(&[1]);
        group.rebalance(&topic, 5);
        assert_eq!(held(&group, 1, Phase::New), [0, 1, 2, 3, 4]);
        group.members.get_mut(&1).unwrap().advance(Phase::New, Phase::Active);
        let newcomer = self::group(&[2]).members.remove(&2).unwrap();
        group.members.insert(2, newcomer);
        group.rebalance(&topic, 5);
        assert_eq!(held(&group, 1, Phase::Active), [0, 1, 2]);
        assert_eq!(held(&group, 1, Phase::Leaving), [3, 4]);
        assert!(group.members[&2].holdings.is_empty());
        group.members.get_mut(&1).unwrap().holdings.retain(|_, h| h.phase == Phase::Active);
        group.rebalance(&topic, 5);
        assert_eq!(held(&group, 2, Phase::New), [3, 4]);
        assert_eq!(group.generation, 7);
    }

    #[tokio::test]
    async fn only_who_keeps_others_waiting_is_put_out() {
        let mut group = group(&[1]);
        group.rebalance(&"t".into(), 1);
        let late = Instant::now() + Duration::from_secs(3_600);
        assert!(!group.expire(late));
        let holdings = &mut group.members.get_mut(&1).unwrap().holdings;
        holdings.values_mut().for_each(|holding| holding.phase = Phase::Revoked);
        assert!(!group.expire(Instant::now()));
        assert!(group.expire(late));
    }
}
