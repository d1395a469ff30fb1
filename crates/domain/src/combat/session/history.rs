//! Where everybody was: the ticks that a shot may be taken back to.

use crate::Result;
use crate::combat::Tick;
use crate::combat::content::Stance;
use crate::combat::fixed::Vec3;
use crate::combat::wire::{Reader, Wire, wire_struct};

/// Rows of past ticks, each with a sample for every seat. A rewind touches two rows, which lie one after
/// the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    seats: usize,
    /// Of the newest row; none before the first.
    newest: Option<Tick>,
    /// How many rows hold a tick.
    filled: usize,
    rows: usize,
    /// `[tick % rows][seat]`.
    samples: Vec<Sample>,
}

/// Where a player was at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// [`super::Player::track`]; 0 if nobody could be hit here. Between two samples of
    /// different tracks nothing is interpolated.
    pub track: u32,
    pub position: Vec3,
    pub yaw: u16,
    pub stance: Stance,
}

wire_struct!(Sample { track, position, yaw, stance });

/// Where a player was for somebody who looked at a moment between two ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    pub track: u32,
    pub position: Vec3,
    pub yaw: u16,
    pub stance: Stance,
    /// His way within the tick.
    pub way: Vec3,
}

impl Seen {
    /// How far he went within the tick.
    pub const fn moved_q(&self) -> i64 {
        self.way.length_q()
    }
}

impl History {
    /// Most rows that a history can have: 500 ms at 128 Hz and two more.
    pub const ROWS_MAX: usize = 66;

    pub(super) fn new(rows: usize, seats: usize) -> Self {
        let rows = rows.clamp(2, Self::ROWS_MAX);
        let samples = vec![Sample::default(); rows * seats];
        Self { seats, newest: None, filled: 0, rows, samples }
    }

    pub(super) fn fits(&self, rows: usize, seats: usize) -> bool {
        self.rows == rows.clamp(2, Self::ROWS_MAX) && self.seats == seats
    }

    pub const fn newest(&self) -> Option<Tick> {
        self.newest
    }

    /// The oldest tick that is still known.
    pub fn oldest(&self) -> Option<Tick> {
        self.newest.map(|newest| Tick(newest.0 - (self.filled as u32 - 1)))
    }

    /// The samples of one tick, by seat.
    pub fn row(&self, tick: Tick) -> Option<&[Sample]> {
        let known = self.oldest().is_some_and(|oldest| oldest <= tick) && Some(tick) <= self.newest;
        known.then(|| {
            let start = (tick.0 as usize % self.rows) * self.seats;
            &self.samples[start..start + self.seats]
        })
    }

    /// Where the player in `seat` was at a time in 1/256 of a tick. A sample stands until the next one
    /// if the two are of different lives or teleports.
    pub fn at(&self, view_q8: u64, seat: usize) -> Option<Seen> {
        let tick = Tick(u32::try_from(view_q8 >> 8).ok()?);
        let before = *self.row(tick)?.get(seat)?;
        if before.track == 0 {
            return None;
        }
        let part = (view_q8 & 0xff) as i64;
        let Sample { track, position, yaw, stance } = before;
        match self.row(tick.after(1)).map(|row| row[seat]) {
            Some(next) if next.track == track => {
                let way = next.position.minus(position);
                // A shift rounds towards minus infinity, as a quotient by 256 would.
                let axis = |from: i32, way: i32| from + ((i64::from(way) * part) >> 8) as i32;
                let position = Vec3::new(
                    axis(position.x, way.x),
                    axis(position.y, way.y),
                    axis(position.z, way.z),
                );
                let turn = i64::from(next.yaw.wrapping_sub(yaw) as i16);
                let yaw = yaw.wrapping_add(((turn * part) >> 8) as u16);
                Some(Seen { track, position, yaw, stance, way })
            }
            _ => Some(Seen { track, position, yaw, stance, way: Vec3::ZERO }),
        }
    }

    pub(super) fn push(&mut self, tick: Tick, samples: impl Iterator<Item = Sample>) {
        let follows = self.newest.is_some_and(|newest| newest.after(1) == tick);
        self.filled = if follows { (self.filled + 1).min(self.rows) } else { 1 };
        self.newest = Some(tick);
        let start = (tick.0 as usize % self.rows) * self.seats;
        self.samples[start..start + self.seats]
            .iter_mut()
            .zip(samples)
            .for_each(|(slot, sample)| *slot = sample);
    }
}

/// The rows from the oldest to the newest; what is no longer known has no part in it.
impl Wire for History {
    fn write(&self, out: &mut Vec<u8>) {
        (self.seats as u32).write(out);
        (self.rows as u32).write(out);
        self.newest.write(out);
        (self.filled as u32).write(out);
        let Some(oldest) = self.oldest() else { return };
        for row in (0..self.filled as u32).filter_map(|row| self.row(oldest.after(row))) {
            row.iter().for_each(|sample| sample.write(out));
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (seats, rows) = (u32::read(reader)? as usize, u32::read(reader)? as usize);
        let newest = Option::<Tick>::read(reader)?;
        let filled = u32::read(reader)? as usize;
        let possible = (1..=usize::from(super::PLAYERS_MAX)).contains(&seats)
            && (2..=Self::ROWS_MAX).contains(&rows)
            && filled <= rows
            && newest.map_or(filled == 0, |newest| filled > 0 && filled - 1 <= newest.0 as usize);
        if !possible {
            return Err(reader.corrupted("an impossible history"));
        }
        let mut history = Self::new(rows, seats);
        let Some(newest) = newest else { return Ok(history) };
        for row in (0..filled as u32).rev() {
            let samples: Vec<Sample> =
                (0..seats).map(|_| Sample::read(reader)).collect::<Result<_>>()?;
            if !samples.iter().all(|sample| sample.position.is_in_world()) {
                return Err(reader.corrupted("a place outside the world"));
            }
            history.push(Tick(newest.0 - row), samples.into_iter());
        }
        Ok(history)
    }
}
