//! Which positions of a lane this instance has written: the rule alone.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use gamemesh_repository::Position;

/// Runs that are remembered. Whoever asks is at most a few batches behind; what is forgotten counts as
/// written by others.
const RUNS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct LocalRuns {
    /// What the batch on its way would write: others can see it before its reply is here.
    at_work: Option<RangeInclusive<Position>>,
    /// Ascending, with gaps between them where others have written.
    runs: VecDeque<RangeInclusive<Position>>,
}

impl LocalRuns {
    /// A batch that would write these positions is sent.
    pub(crate) fn begin(&mut self, positions: RangeInclusive<Position>) {
        self.at_work = Some(positions);
    }

    /// It is known whether it has written them.
    pub(crate) fn end(&mut self, written: bool) {
        let Some(positions) = self.at_work.take().filter(|_| written) else { return };
        match self.runs.back_mut() {
            Some(last) if *last.end() + 1 == *positions.start() => {
                *last = *last.start()..=*positions.end();
            }
            _ => self.runs.push_back(positions),
        }
        if self.runs.len() > RUNS_MAX {
            self.runs.pop_front();
        }
    }

    /// The first run of own positions after one, as far as it lies after it.
    pub(crate) fn after(&self, after: Position) -> Option<RangeInclusive<Position>> {
        let first = self.runs.partition_point(|run| *run.end() <= after);
        let run = self.runs.get(first).or(self.at_work.as_ref())?;
        let rest = (after + 1).max(*run.start())..=*run.end();
        (!rest.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(runs: impl IntoIterator<Item = RangeInclusive<Position>>) -> LocalRuns {
        let mut own = LocalRuns::default();
        for run in runs {
            own.begin(run);
            own.end(true);
        }
        own
    }

    #[test]
    fn the_next_own_run_is_told_from_where_one_stands() {
        let own = written([3..=5, 6..=6, 9..=12]);
        let told = [0, 2, 3, 5, 6, 8, 9, 11, 12, 20].map(|after| own.after(after));
        let (first, second) = (Some(3..=6), Some(9..=12));
        assert_eq!(told[..2], [first.clone(), first]);
        assert_eq!(told[2..4], [Some(4..=6), Some(6..=6)]);
        assert_eq!(told[4..6], [second.clone(), second]);
        assert_eq!(told[6..8], [Some(10..=12), Some(12..=12)]);
        assert_eq!(told[8..], [None, None]);
    }

    #[test]
    fn what_is_on_its_way_counts_until_it_has_failed() {
        let mut own = written([1..=2]);
        own.begin(5..=6);
        assert_eq!(own.after(2), Some(5..=6));
        own.end(false);
        assert_eq!(own.after(2), None);
        own.begin(7..=7);
        own.end(true);
        assert_eq!(own.after(2), Some(7..=7));
    }

    #[test]
    fn it_is_bounded() {
        let last = RUNS_MAX as Position + 1;
        let own = written((1..=last).map(|n| 2 * n..=2 * n));
        assert_eq!(own.runs.len(), RUNS_MAX);
        assert_eq!(own.after(0), Some(4..=4));
    }
}
