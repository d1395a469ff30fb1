//! Declared transitions: the stages of a plot, the weathers of a world, the stances of factions.

use std::collections::{BTreeMap, BTreeSet};

use super::Name;
use crate::{Code, Error, Result};

/// Which state may follow which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    initial: Name,
    transitions: BTreeMap<Name, BTreeSet<Name>>,
}

/// What asking for a state came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is the state already: nothing happens, and nothing that hangs on it happens twice.
    Unchanged,
    Moved,
}

impl Machine {
    pub const STATES_MAX: usize = 1_000;
    pub const TRANSITIONS_MAX: usize = 10_000;

    /// A declaration. Every state that a transition leads to is declared, and every state can be reached
    /// from the initial one: what cannot be is a slip of the pen.
    pub fn new(initial: Name, transitions: BTreeMap<Name, BTreeSet<Name>>) -> Result<Self> {
        if !(1..=Self::STATES_MAX).contains(&transitions.len()) {
            return Err(Error::invalid("states", "accepts 1 to 1000"));
        }
        if transitions.values().map(BTreeSet::len).sum::<usize>() > Self::TRANSITIONS_MAX {
            return Err(Error::invalid("states", "accepts at most 10000 transitions"));
        }
        if !transitions.contains_key(&initial) {
            return Err(Error::invalid("initial", format!("{initial}: is not declared")));
        }
        for (from, targets) in &transitions {
            if let Some(unknown) = targets.iter().find(|to| !transitions.contains_key(to)) {
                let what = format!("{from}: leads to {unknown}, which is not declared");
                return Err(Error::invalid("states", what));
            }
        }
        let machine = Self { initial, transitions };
        if let Some(lost) = machine.unreachable() {
            let what = format!("{lost}: cannot be reached from {}", machine.initial);
            return Err(Error::invalid("states", what));
        }
        Ok(machine)
    }

    pub const fn initial(&self) -> &Name {
        &self.initial
    }

    /// The states with what may follow each.
    pub const fn transitions(&self) -> &BTreeMap<Name, BTreeSet<Name>> {
        &self.transitions
    }

    /// What may follow a state; an error if the declaration does not know it any more.
    pub fn legal(&self, from: &Name) -> Result<&BTreeSet<Name>> {
        self.transitions.get(from).ok_or_else(|| {
            Error::new(Code::SchemaViolation, format!("{from}: is not declared any more"))
                .with_fact("state", from)
                .with_fact("declared", told(self.transitions.keys()))
        })
    }

    /// From a state to another.
    pub fn step(&self, from: &Name, to: &Name) -> Result<Step> {
        let legal = self.legal(from)?;
        if from == to {
            return Ok(Step::Unchanged);
        }
        if legal.contains(to) {
            return Ok(Step::Moved);
        }
        let message = match legal.len() {
            0 => format!("{from} is the end: nothing follows it"),
            _ => format!("{from} is not followed by {to}, but by {}", told(legal)),
        };
        Err(Error::new(Code::OperationRefused, message)
            .with_fact("from", from)
            .with_fact("legal", told(legal)))
    }

    fn unreachable(&self) -> Option<&Name> {
        let mut reached = BTreeSet::from([&self.initial]);
        let mut open = vec![&self.initial];
        while let Some(state) = open.pop() {
            let next = self.transitions.get(state).into_iter().flatten();
            open.extend(next.filter(|state| reached.insert(state)));
        }
        self.transitions.keys().find(|state| !reached.contains(state))
    }
}

fn told<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    names.into_iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}
