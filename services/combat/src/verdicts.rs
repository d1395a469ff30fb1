//! How the commands of a session were judged so far, by reason.

use std::collections::BTreeMap;

use gamemesh_domain::combat::{Event, Reason};

/// Counts by name of the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdicts(BTreeMap<String, u64>);

impl Verdicts {
    pub(crate) fn of(counts: BTreeMap<String, u64>) -> Self {
        Self(counts)
    }

    pub(crate) fn counts(&self) -> &BTreeMap<String, u64> {
        &self.0
    }

    /// Counts a record, if it is of a command.
    pub(crate) fn count(&mut self, event: &Event) {
        let reason = match event {
            Event::Fired(fired) => fired.verdict.reason,
            Event::ShotRefused(refused) => refused.verdict.reason,
            Event::Acted(acted) => acted.verdict.reason,
            Event::ActionRefused(refused) => refused.verdict.reason,
            Event::Corrected(corrected) => corrected.verdict.reason,
            Event::Moved(_) => Reason::Accepted,
            _ => return,
        };
        match self.0.get_mut(reason.name()) {
            Some(count) => *count += 1,
            None => {
                self.0.insert(reason.name().to_owned(), 1);
            }
        }
    }
}
