//! Why a number is what it is: the events that moved it.

use super::fact::Fact;
use super::fold::{Fold, Listen};
use super::{EventId, Figure, Kind, Match, Name};

/// An event that changed a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub event: EventId,
    /// The text that the id is the hash of, where it is one.
    pub label: Option<Name>,
    pub kind: Kind,
    pub time_us: i64,
    pub figure: Figure,
    pub from: u64,
    pub to: u64,
}

struct Listener<'a> {
    player: u16,
    figures: &'a [Figure],
    causes: Vec<Cause>,
}

impl Listen for Listener<'_> {
    fn changed(&mut self, player: u16, figure: Figure, from: u64, to: u64, fact: &Fact) {
        if player == self.player && self.figures.contains(&figure) {
            self.causes.push(Cause {
                event: fact.id,
                label: None,
                kind: fact.what.kind(),
                time_us: fact.time_us,
                figure,
                from,
                to,
            });
        }
    }
}

impl Match {
    /// The events that brought a player's figures to their values, in the order of their time. Figures
    /// that follow from the match as a whole (its one round where it has none, its winner) have none.
    pub fn explain(&mut self, player: &str, figures: &[Figure]) -> Vec<Cause> {
        let Some(player) = self.players.find(player) else { return Vec::new() };
        let mut fold = Fold::default();
        fold.reach(self.players.len());
        let mut listener = Listener { player, figures, causes: Vec::new() };
        let rules = self.rules;
        for fact in self.in_order() {
            fold.step(fact, &rules, &mut listener);
        }
        let mut causes = listener.causes;
        for cause in &mut causes {
            cause.label = self.labels.get(&cause.event).cloned();
        }
        causes
    }
}
