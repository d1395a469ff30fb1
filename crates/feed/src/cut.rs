//! A position in each lane.

use gamemesh_repository::{Lane, Position};

/// A position in each lane that matters; a lane that is not named is at 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut(pub Vec<(Lane, Position)>);

impl Cut {
    pub fn at(lane: Lane, position: Position) -> Self {
        Self(vec![(lane, position)])
    }

    pub fn position(&self, lane: Lane) -> Position {
        self.0.iter().find(|(l, _)| *l == lane).map_or(0, |(_, position)| *position)
    }

    /// Whether everything up to another cut lies within this one.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|&(lane, position)| self.position(lane) >= position)
    }

    /// Raises a lane to a position.
    pub fn raise(&mut self, lane: Lane, position: Position) {
        match self.0.iter_mut().find(|(l, _)| *l == lane) {
            Some((_, p)) => *p = position.max(*p),
            None => self.0.push((lane, position)),
        }
    }

    /// Raises every lane to where another cut is.
    pub fn raise_all(&mut self, other: &Self) {
        for &(lane, position) in &other.0 {
            self.raise(lane, position);
        }
    }
}
