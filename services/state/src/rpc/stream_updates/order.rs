//! Which updates of a stream may begin: the rule alone, without tasks.
//!
//! Those of one aggregate are made in the order of the stream: none begins while an earlier group has one
//! of its aggregate under way. All others need not wait for that group.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use gamemesh_contracts::state::v1::UpdateAggregateRequest;

#[derive(Default)]
pub(super) struct Order {
    hasher: RandomState,
    /// May begin at once.
    ready: Vec<Update>,
    /// Wait for others of their aggregate, in the order of the stream.
    held: Vec<Update>,
    /// Aggregates under way. Two of the same hash only wait for each other.
    busy: HashSet<u64>,
}

struct Update {
    aggregate: u64,
    sequence: i64,
    request: UpdateAggregateRequest,
}

/// Updates that are made together.
pub(super) struct Group {
    pub(super) sequences: Vec<i64>,
    pub(super) requests: Vec<UpdateAggregateRequest>,
    pub(super) aggregates: Aggregates,
}

/// What a group has under way.
#[derive(Debug)]
pub(super) struct Aggregates(Vec<u64>);

impl Order {
    pub(super) fn push(&mut self, sequence: i64, request: UpdateAggregateRequest) {
        let aggregate = self.hasher.hash_one((&request.r#type, &request.id));
        self.place(Update { aggregate, sequence, request });
    }

    fn place(&mut self, update: Update) {
        match self.busy.contains(&update.aggregate) {
            true => self.held.push(update),
            false => self.ready.push(update),
        }
    }

    /// Updates that have not begun.
    pub(super) fn waiting(&self) -> usize {
        self.ready.len() + self.held.len()
    }

    /// All that may begin, if there are any: they are under way until their aggregates are given back.
    pub(super) fn begin(&mut self) -> Option<Group> {
        if self.ready.is_empty() {
            return None;
        }
        let ready = std::mem::take(&mut self.ready);
        let aggregates: Vec<u64> = ready.iter().map(|update| update.aggregate).collect();
        self.busy.extend(&aggregates);
        let (sequences, requests) =
            ready.into_iter().map(|update| (update.sequence, update.request)).unzip();
        Some(Group { sequences, requests, aggregates: Aggregates(aggregates) })
    }

    /// A group is done.
    pub(super) fn done(&mut self, Aggregates(aggregates): Aggregates) {
        for aggregate in aggregates {
            self.busy.remove(&aggregate);
        }
        for update in std::mem::take(&mut self.held) {
            self.place(update);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn update(id: u8) -> UpdateAggregateRequest {
        UpdateAggregateRequest { r#type: "t".into(), id: id.to_string(), ..Default::default() }
    }

    #[test]
    fn only_those_of_an_aggregate_under_way_are_held() {
        let mut order = Order::default();
        assert!(order.begin().is_none());
        [1, 2, 1].into_iter().zip(0..).for_each(|(id, sequence)| order.push(sequence, update(id)));
        let first = order.begin().unwrap();
        assert_eq!(first.sequences, [0, 1, 2]);
        [2, 3, 1, 3].into_iter().zip(3..).for_each(|(id, n)| order.push(n, update(id)));
        let second = order.begin().unwrap();
        assert_eq!((second.sequences, order.waiting()), (vec![4, 6], 2));
        assert!(order.begin().is_none());
        order.push(7, update(3));
        order.done(second.aggregates);
        assert_eq!(order.begin().unwrap().sequences, [7]);
        order.done(first.aggregates);
        assert_eq!(order.begin().unwrap().sequences, [3, 5]);
        assert_eq!(order.waiting(), 0);
    }

    proptest! {
        /// Whenever groups begin and end, an aggregate is in one of them at most, and its updates come in
        /// their order.
        #[test]
        fn an_aggregate_is_in_one_group_and_in_order(
            steps in proptest::collection::vec((0..4_u8, 0..6_u8), 1..200)
        ) {
            let (mut order, mut under_way) = (Order::default(), Vec::<Group>::new());
            let (mut pushed, mut begun, mut last) = (0, 0, [-1; 6]);
            for (step, id) in steps {
                match step {
                    0 | 1 => {
                        order.push(pushed, update(id));
                        pushed += 1;
                    }
                    2 => {
                        let Some(group) = order.begin() else { continue };
                        for (sequence, request) in group.sequences.iter().zip(&group.requests) {
                            let is_under_way = |other: &Group| other.requests.contains(request);
                            prop_assert!(!under_way.iter().any(is_under_way));
                            let last = &mut last[request.id.parse::<usize>().unwrap()];
                            prop_assert!(sequence > last);
                            *last = *sequence;
                        }
                        begun += group.requests.len();
                        under_way.push(group);
                    }
                    _ if under_way.is_empty() => {}
                    _ => order.done(under_way.remove(usize::from(id) % under_way.len()).aggregates),
                }
            }
            prop_assert_eq!(begun + order.waiting(), pushed as usize);
        }
    }
}
