//! What of a producer's sequence has been counted.

use super::codec::{Reader, Truncated, Writer};

/// Runs of sequence numbers with gaps between them that are remembered of a producer.
pub const RANGES_MAX: usize = 1_024;

/// The window of a producer. Sequences begin at 1 in every epoch, which a producer raises when it cannot
/// go on with the old numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producer {
    pub epoch: u32,
    /// First and last of each run, in order, with gaps between them.
    ranges: Vec<(u64, u64)>,
}

impl Producer {
    /// Everything up to here is durable and counted: where a producer goes on.
    pub fn durable(&self) -> u64 {
        self.ranges.first().filter(|(first, _)| *first == 1).map_or(0, |(_, last)| *last)
    }

    /// The highest number that was counted.
    pub fn highest(&self) -> u64 {
        self.ranges.last().map_or(0, |(_, last)| *last)
    }

    pub fn contains(&self, epoch: u32, sequence: u64) -> bool {
        epoch == self.epoch && self.ranges.iter().any(|(a, b)| (*a..=*b).contains(&sequence))
    }

    /// First and last of each run, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().copied()
    }

    /// The numbers that are missing below the highest.
    pub fn missing(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let before = std::iter::once(0).chain(self.ranges.iter().map(|(_, last)| *last));
        before
            .zip(&self.ranges)
            .map(|(last, (first, _))| (last + 1, first - 1))
            .filter(|(a, b)| a <= b)
    }

    /// Notes a run. What an older epoch did is of no interest any more. Where too many gaps are open,
    /// the lowest run is forgotten: its events are known by their ids all the same.
    pub fn note(&mut self, epoch: u32, first: u64, last: u64) {
        if epoch < self.epoch || first == 0 || last < first {
            return;
        }
        if epoch > self.epoch {
            *self = Self { epoch, ranges: Vec::new() };
        }
        let at = self.ranges.partition_point(|(_, end)| end.saturating_add(1) < first);
        let (mut first, mut last) = (first, last);
        let mut end = at;
        while let Some((a, b)) = self.ranges.get(end).filter(|(a, _)| *a <= last.saturating_add(1))
        {
            first = first.min(*a);
            last = last.max(*b);
            end += 1;
        }
        self.ranges.splice(at..end, [(first, last)]);
        if self.ranges.len() > RANGES_MAX {
            let lowest = usize::from(self.ranges[0].0 == 1);
            self.ranges.remove(lowest);
        }
    }

    pub fn put(&self, out: &mut Writer) {
        out.u64(self.epoch.into());
        out.u64(self.ranges.len() as u64);
        for (first, last) in &self.ranges {
            out.u64(*first);
            out.u64(last - first);
        }
    }

    pub fn take(from: &mut Reader<'_>) -> Result<Self, Truncated> {
        let (epoch, count) = (from.u32()?, from.count()?);
        let mut producer = Self { epoch, ranges: Vec::new() };
        for _ in 0..count {
            let (first, more) = (from.u64()?, from.u64()?);
            producer.note(epoch, first, first.checked_add(more).ok_or(Truncated)?);
        }
        Ok(producer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_epoch_begins_anew() {
        let mut producer = Producer::default();
        producer.note(1, 1, 5);
        producer.note(2, 1, 1);
        producer.note(1, 6, 9);
        assert_eq!((producer.epoch, producer.durable()), (2, 1));
    }

    proptest::proptest! {
        #[test]
        fn as_a_set_would(runs in proptest::collection::vec((1_u64..200, 0_u64..8), 0..60)) {
            let (mut producer, mut set) = (Producer::default(), BTreeSet::new());
            for (first, more) in runs {
                producer.note(0, first, first + more);
                set.extend(first..=first + more);
            }
            let durable = (1..).take_while(|n| set.contains(n)).last().unwrap_or(0);
            proptest::prop_assert_eq!(producer.durable(), durable);
            proptest::prop_assert_eq!(producer.highest(), set.last().copied().unwrap_or(0));
            for n in 0..220 {
                proptest::prop_assert_eq!(producer.contains(0, n), set.contains(&n));
            }
            let missing: Vec<u64> = producer.missing().flat_map(|(a, b)| a..=b).collect();
            let expected: Vec<u64> = (1..=producer.highest()).filter(|n| !set.contains(n)).collect();
            proptest::prop_assert_eq!(missing, expected);
            let mut out = Writer::default();
            producer.put(&mut out);
            proptest::prop_assert_eq!(Producer::take(&mut Reader(&out.0)), Ok(producer));
        }
    }
}
