//! What all aggregates together say.

use std::collections::BTreeMap;

use crate::document::Value;

/// Statuses with which a player is not online.
const OFFLINE_STATUSES: [&str; 3] = ["offline", "suspended", "banned"];
/// Phases in which a match is being played.
const ACTIVE_PHASES: [&str; 3] = ["starting", "active", "paused"];
/// Where a player has no status, or a match no phase.
const UNKNOWN: &str = "unknown";

/// Counts over all aggregates. Each change adds what it leaves and takes away what it found, so that
/// the result does not depend on the order in which aggregates are folded, and can be made from the
/// present states as well as from all changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GlobalFold {
    players_by_status: Counts,
    matches_by_phase: Counts,
    aggregates_by_type: Counts,
}

/// Counts by name. A name whose count is 0 is not held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts(BTreeMap<Box<str>, i64>);

impl GlobalFold {
    /// A fold as it was kept.
    pub const fn restored(
        players_by_status: Counts,
        matches_by_phase: Counts,
        aggregates_by_type: Counts,
    ) -> Self {
        Self { players_by_status, matches_by_phase, aggregates_by_type }
    }

    /// An aggregate went from one state to another; `None` is that it does not exist.
    pub fn apply(&mut self, type_name: &str, before: Option<&Value>, after: Option<&Value>) {
        if before.is_some() != after.is_some() {
            self.aggregates_by_type.add(type_name, if after.is_some() { 1 } else { -1 });
        }
        let (field, counts) = match type_name {
            "player" => ("status", &mut self.players_by_status),
            "match" => ("phase", &mut self.matches_by_phase),
            _ => return,
        };
        // Most changes leave the field as it was, and then both states share it.
        let unchanged =
            |(before, after): (&Value, &Value)| before.child(field) == after.child(field);
        if before.zip(after).is_some_and(unchanged) {
            return;
        }
        let name = |state| Value::child(state, field).and_then(Value::as_text).unwrap_or(UNKNOWN);
        let (before, after) = (before.map(name), after.map(name));
        if before == after {
            return;
        }
        if let Some(before) = before {
            counts.add(before, -1);
        }
        if let Some(after) = after {
            counts.add(after, 1);
        }
    }

    /// Adds what was folded elsewhere, such as from another lane.
    pub fn merge(&mut self, other: &Self) {
        self.players_by_status.merge(&other.players_by_status);
        self.matches_by_phase.merge(&other.matches_by_phase);
        self.aggregates_by_type.merge(&other.aggregates_by_type);
    }

    pub const fn players_by_status(&self) -> &Counts {
        &self.players_by_status
    }

    pub const fn matches_by_phase(&self) -> &Counts {
        &self.matches_by_phase
    }

    pub const fn aggregates_by_type(&self) -> &Counts {
        &self.aggregates_by_type
    }

    /// Players whose status is neither `offline`, `suspended` nor `banned`.
    pub fn players_online(&self) -> i64 {
        self.players_by_status.total() - self.players_by_status.sum(&OFFLINE_STATUSES)
    }

    /// Matches in phase `starting`, `active` or `paused`.
    pub fn active_matches(&self) -> i64 {
        self.matches_by_phase.sum(&ACTIVE_PHASES)
    }
}

impl Counts {
    pub fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, count)| (&**name, *count))
    }

    pub fn total(&self) -> i64 {
        self.0.values().sum()
    }

    fn add(&mut self, name: &str, step: i64) {
        let Some(count) = self.0.get_mut(name) else {
            if step != 0 {
                self.0.insert(name.into(), step);
            }
            return;
        };
        *count += step;
        if *count == 0 {
            self.0.remove(name);
        }
    }

    fn sum(&self, names: &[&str]) -> i64 {
        names.iter().map(|name| self.get(name)).sum()
    }

    fn merge(&mut self, other: &Self) {
        for (name, count) in other.iter() {
            self.add(name, count);
        }
    }
}

impl<N: AsRef<str>> FromIterator<(N, i64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (N, i64)>>(entries: I) -> Self {
        let mut counts = Self::default();
        for (name, count) in entries {
            counts.add(name.as_ref(), count);
        }
        counts
    }
}

#[cfg(test)]
mod tests;
