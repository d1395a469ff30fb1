//! Who is where: an ordered set that knows how many stand before each.

mod fenwick;

use std::cmp::Ordering;
use std::ops::Range;

use super::{Name, Score};
use fenwick::Fenwick;

/// A block that has so many entries is split.
const BLOCK_MAX: usize = 512;

/// A block is given room for a further part of so many; doubled, half of it would lie idle.
const BLOCK_GROWTH: usize = 8;

/// Neighbours that have this many together become one.
const BLOCK_MERGE: usize = 128;

/// A player and what he is ranked by. More is better; of equals, who was there first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub score: Score,
    pub reached_us: i64,
    pub player: Name,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let better = other.score.cmp(&self.score);
        better
            .then(self.reached_us.cmp(&other.reached_us))
            .then_with(|| self.player.cmp(&other.player))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where a player stands, counted from 1, by each of the three ways to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// 1, 2, 3, 4: everybody has a rank of his own.
    pub ordinal: u64,
    /// 1, 2, 2, 4: equals share the best.
    pub competition: u64,
    /// 1, 2, 2, 3: the next has the next number.
    pub dense: u64,
    pub total: u64,
}

impl Standing {
    /// The best so many percent that the player belongs to; equals belong to the same.
    pub fn top_percent(&self) -> f64 {
        self.competition as f64 * 100.0 / self.total as f64
    }
}

/// An entry beside a gap: its block and its score.
type Neighbour = (usize, Score);

/// Places in order, in sorted blocks, with running counts over the blocks. Finding, ranking and the n-th
/// take a logarithm of the number of blocks; inserting moves at most a block.
#[derive(Debug, Clone, Default)]
pub struct Board {
    blocks: Vec<Vec<Place>>,
    counts: Fenwick,
    /// How many entries of each block have another score than the entry before them.
    steps: Fenwick,
}

impl Board {
    pub fn len(&self) -> usize {
        self.counts.total()
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether it was not there before.
    pub fn insert(&mut self, place: Place) -> bool {
        if self.blocks.is_empty() {
            self.blocks.push(vec![place]);
            self.recount();
            return true;
        }
        let block = self.block_of(&place);
        let Err(at) = self.blocks[block].binary_search(&place) else { return false };
        let (before, after) = self.around_gap(block, at);
        let differs = |a: Option<(usize, Score)>, b: Score| a.is_none_or(|(_, a)| a != b);
        let own_step = differs(before, place.score);
        if let Some((home, score)) = after {
            let change = i64::from(place.score != score) - i64::from(differs(before, score));
            self.steps.add(home, change);
        }
        self.steps.add(block, own_step.into());
        self.counts.add(block, 1);
        let entries = &mut self.blocks[block];
        if entries.len() == entries.capacity() {
            entries.reserve_exact(entries.len() / BLOCK_GROWTH + 1);
        }
        entries.insert(at, place);
        if entries.len() >= BLOCK_MAX {
            let tail = entries.split_off(BLOCK_MAX / 2);
            entries.shrink_to_fit();
            self.blocks.insert(block + 1, tail);
            self.recount();
        }
        true
    }

    /// Whether it was there.
    pub fn remove(&mut self, place: &Place) -> bool {
        if self.blocks.is_empty() {
            return false;
        }
        let block = self.block_of(place);
        let Ok(at) = self.blocks[block].binary_search(place) else { return false };
        self.blocks[block].remove(at);
        let small = |block: &Vec<Place>| block.len() <= BLOCK_MERGE / 2;
        let next_is_small = self.blocks.get(block + 1).is_some_and(small);
        if self.blocks[block].is_empty() {
            self.blocks.remove(block);
            self.recount();
            return true;
        }
        if small(&self.blocks[block]) && next_is_small {
            let next = self.blocks.remove(block + 1);
            self.blocks[block].extend(next);
            self.recount();
            return true;
        }
        let (before, after) = self.around_gap(block, at);
        let differs = |a: Option<(usize, Score)>, b: Score| a.is_none_or(|(_, a)| a != b);
        self.steps.add(block, -i64::from(differs(before, place.score)));
        if let Some((home, score)) = after {
            let change = i64::from(differs(before, score)) - i64::from(place.score != score);
            self.steps.add(home, change);
        }
        self.counts.add(block, -1);
        true
    }

    /// Where a place is or would be, by the three ways to count.
    pub fn standing(&self, place: &Place) -> Standing {
        let (equals, dense) = self.equals(place.score);
        Standing {
            ordinal: self.index(place) as u64 + 1,
            competition: equals.start as u64 + 1,
            dense: dense as u64 + 1,
            total: self.len() as u64,
        }
    }

    /// As [`Self::standing`] where less is better; of equals, the first is still ahead.
    pub fn standing_ascending(&self, place: &Place) -> Standing {
        let (equals, dense) = self.equals(place.score);
        let worse = self.len() - equals.end;
        let distinct = self.steps.total();
        let is_there = usize::from(!equals.is_empty());
        Standing {
            ordinal: (worse + self.index(place) - equals.start) as u64 + 1,
            competition: worse as u64 + 1,
            dense: (distinct - dense - is_there) as u64 + 1,
            total: self.len() as u64,
        }
    }

    /// How many stand before a place.
    pub fn index(&self, place: &Place) -> usize {
        if self.blocks.is_empty() {
            return 0;
        }
        let block = self.block_of(place);
        self.counts.before(block) + self.blocks[block].partition_point(|other| other < place)
    }

    /// The indices of all with a score, and how many better scores there are.
    fn equals(&self, score: Score) -> (Range<usize>, usize) {
        let edge = |is_before: &dyn Fn(&Place) -> bool| {
            let block = self.blocks.partition_point(|block| block.last().is_some_and(is_before));
            let within = self.blocks.get(block).map_or(0, |block| block.partition_point(is_before));
            (block, within, self.counts.before(block) + within)
        };
        let (block, within, start) = edge(&|place: &Place| place.score > score);
        let (_, _, end) = edge(&|place: &Place| place.score >= score);
        let mut dense = self.steps.before(block);
        if let Some(entries) = self.blocks.get(block) {
            let before = block.checked_sub(1).and_then(|block| self.blocks[block].last());
            let mut last = before.map(|place| place.score);
            for place in &entries[..within] {
                dense += usize::from(last != Some(place.score));
                last = Some(place.score);
            }
        }
        (start..end, dense)
    }

    /// The place with so many before it.
    pub fn nth(&self, index: usize) -> Option<&Place> {
        if index >= self.len() {
            return None;
        }
        let (block, within) = self.counts.find(index);
        self.blocks[block].get(within)
    }

    /// As [`Self::nth`] where less is better.
    pub fn nth_ascending(&self, index: usize) -> Option<&Place> {
        let from_end = self.len().checked_sub(index + 1)?;
        let (equals, _) = self.equals(self.nth(from_end)?.score);
        let worse = self.len() - equals.end;
        self.nth(equals.start + index - worse)
    }

    /// Places from an index on.
    pub fn from(&self, index: usize) -> impl Iterator<Item = &Place> {
        let (block, within) =
            if index < self.len() { self.counts.find(index) } else { (self.blocks.len(), 0) };
        let first = self.blocks.get(block).map_or(&[][..], |block| &block[within..]);
        first.iter().chain(self.blocks.iter().skip(block + 1).flatten())
    }

    /// The indices of so many around an index: as near to the middle as the ends allow.
    pub fn around(&self, index: usize, limit: usize) -> Range<usize> {
        let limit = limit.min(self.len());
        let start = index.saturating_sub(limit.saturating_sub(1) / 2).min(self.len() - limit);
        start..start + limit
    }

    fn block_of(&self, place: &Place) -> usize {
        let block =
            self.blocks.partition_point(|block| block.last().is_some_and(|last| last < place));
        block.min(self.blocks.len() - 1)
    }

    /// What stands before and after a gap of a block, each with its block.
    fn around_gap(&self, block: usize, at: usize) -> (Option<Neighbour>, Option<Neighbour>) {
        let score = |place: &Place| place.score;
        let before = match at.checked_sub(1) {
            Some(at) => Some((block, self.blocks[block][at].score)),
            None => block.checked_sub(1).and_then(|b| Some((b, self.blocks[b].last().map(score)?))),
        };
        let after = match self.blocks[block].get(at) {
            Some(place) => Some((block, place.score)),
            None => {
                self.blocks.get(block + 1).and_then(|b| Some((block + 1, b.first().map(score)?)))
            }
        };
        (before, after)
    }

    fn recount(&mut self) {
        self.counts = Fenwick::of(self.blocks.iter().map(Vec::len));
        let mut last = None;
        self.steps = Fenwick::of(self.blocks.iter().map(|block| {
            let mut steps = 0;
            for place in block {
                steps += usize::from(last != Some(place.score));
                last = Some(place.score);
            }
            steps
        }));
    }
}

impl FromIterator<Place> for Board {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut places: Vec<Place> = places.into_iter().collect();
        places.sort_unstable();
        let mut board = Self { blocks: Vec::new(), ..Self::default() };
        let mut places = places.into_iter().peekable();
        while places.peek().is_some() {
            board.blocks.push(places.by_ref().take(BLOCK_MAX / 2).collect());
        }
        board.recount();
        board
    }
}
