//! A match: its events, each once, and the fold over them.

mod names;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::fact::{Fact, Key, NOBODY, UNKNOWN, What};
use super::fold::{Deaf, Fold, Rules};
use super::view::MatchView;
use super::{Data, Event, EventId, Name, Placement};
use crate::{Code, Error, Result};
pub(super) use names::Names;

/// Different events of one match.
pub const EVENTS_MAX: usize = 8_000_000;

/// Players of one match.
pub const PLAYERS_MAX: usize = 1_024;

/// Weapons, teams, items and objectives of one match.
pub const NAMES_MAX: usize = 4_096;

/// Facts younger than this, by the time of the match, wait for others that belong before them.
const HOLD_US: i64 = 2_000_000;

/// How far an event's time may lead the match's beyond the time of arrival: a clock that is ahead does
/// not make everybody else's events late.
const AHEAD_US_MAX: i64 = 5_000_000;

/// Folded facts between two checkpoints.
const CHECKPOINT_INTERVAL: usize = 4_096;

/// Checkpoints of a match; beyond, every second is given up.
const CHECKPOINTS_MAX: usize = 32;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// Counted now. `late` if what comes after it by time had been folded already.
    Counted { late: bool },
    /// Counted before; nothing changes.
    Duplicate,
    /// The id was counted before with other content, which stays.
    Conflict,
}

/// How a match ended, by the last event that says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct End {
    pub winner: Option<Name>,
    pub draw: bool,
    pub voided: bool,
    pub placements: Vec<Placement>,
}

/// The writer's side of a match. One task owns it; readers see its [`MatchView`]s.
#[derive(Debug)]
pub struct Match {
    pub(super) id: Name,
    pub(super) rules: Rules,
    pub(super) players: Arc<Names>,
    pub(super) names: Arc<Names>,
    pub(super) labels: BTreeMap<EventId, Name>,
    pub(super) ends: Arc<BTreeMap<EventId, End>>,
    /// Digest of every event that was counted.
    pub(super) known: HashMap<EventId, u64>,
    /// In order; the first `folded` are in `fold`.
    pub(super) facts: Vec<Fact>,
    folded: usize,
    fold: Fold,
    /// Counted, but not yet among the facts.
    fresh: Vec<Fact>,
    checkpoints: Vec<(usize, Fold)>,
    pub(super) horizon_us: i64,
    pub(super) refolds: u64,
}

impl Match {
    pub fn new(id: Name, rules: Rules) -> Self {
        Self {
            id,
            rules,
            players: Arc::default(),
            names: Arc::default(),
            labels: BTreeMap::new(),
            ends: Arc::default(),
            known: HashMap::new(),
            facts: Vec::new(),
            folded: 0,
            fold: Fold::default(),
            fresh: Vec::new(),
            checkpoints: Vec::new(),
            horizon_us: i64::MIN,
            refolds: 0,
        }
    }

    pub fn id(&self) -> &Name {
        &self.id
    }

    /// The number of events that were counted. It is the same for every order of arrival.
    pub fn version(&self) -> u64 {
        self.known.len() as u64
    }

    /// How often folded facts had to be folded again.
    pub fn refolds(&self) -> u64 {
        self.refolds
    }

    /// Whether the event is known, without counting it.
    pub fn known(&self, event: &Event) -> Option<Applied> {
        let digest = *self.known.get(&event.id)?;
        let same = digest == event.digest() && self.labels.get(&event.id) == event.label.as_ref();
        Some(if same { Applied::Duplicate } else { Applied::Conflict })
    }

    /// Counts an event, if it was not counted before. `now_us` is when it came to the log.
    pub fn apply(&mut self, event: &Event, now_us: i64) -> Result<Applied> {
        if let Some(applied) = self.known(event) {
            return Ok(applied);
        }
        if self.known.len() >= EVENTS_MAX {
            return Err(Error::new(Code::OutOfHistory, "the match has all the events it can hold"));
        }
        let what = self.what(event)?;
        let actor = self.player(event.player.as_ref())?;
        let fact = Fact {
            time_us: event.time_us,
            id: event.id,
            version: self.known.len() as u32 + 1,
            actor,
            what,
        };
        self.known.insert(event.id, event.digest());
        if let Some(label) = &event.label {
            self.labels.insert(event.id, label.clone());
        }
        if let Data::MatchEnd { winner, draw, voided, placements } = &event.data {
            let end = End {
                winner: winner.clone(),
                draw: *draw,
                voided: *voided,
                placements: placements.clone(),
            };
            Arc::make_mut(&mut self.ends).insert(event.id, end);
        }
        self.horizon_us =
            self.horizon_us.max(event.time_us.min(now_us.saturating_add(AHEAD_US_MAX)));
        let late = self.last_folded().is_some_and(|last| fact.key() < last);
        self.fresh.push(fact);
        Ok(Applied::Counted { late })
    }

    fn last_folded(&self) -> Option<Key> {
        self.folded.checked_sub(1).map(|last| self.facts[last].key())
    }

    fn player(&mut self, name: Option<&Name>) -> Result<u16> {
        let Some(name) = name else { return Ok(NOBODY) };
        Names::number(&mut self.players, name, PLAYERS_MAX)
            .ok_or_else(|| Error::invalid("playerId", "the match has all the players it can hold"))
    }

    fn name(&mut self, name: Option<&Name>) -> Result<u16> {
        let Some(name) = name else { return Ok(NOBODY) };
        Names::number(&mut self.names, name, NAMES_MAX)
            .ok_or_else(|| Error::invalid("eventData", "the match has all the names it can hold"))
    }

    fn what(&mut self, event: &Event) -> Result<What> {
        Ok(match &event.data {
            Data::MatchStart { map, mode } => {
                What::MatchStart { map: self.name(map.as_ref())?, mode: self.name(mode.as_ref())? }
            }
            Data::MatchEnd { .. } => What::MatchEnd,
            Data::PlayerJoin { team } => What::PlayerJoin { team: self.name(team.as_ref())? },
            Data::PlayerLeave => What::PlayerLeave,
            Data::Kill { victim, weapon, headshot } => What::Kill {
                victim: self.player(victim.as_ref())?,
                weapon: self.name(weapon.as_ref())?,
                headshot: *headshot,
            },
            Data::Death { killer, weapon } => What::Death {
                killer: self.player(killer.as_ref())?,
                weapon: self.name(weapon.as_ref())?,
            },
            Data::Assist { victim } => What::Assist { victim: self.player(victim.as_ref())? },
            Data::Damage { target, weapon, milli, headshot, health_milli, shot } => What::Damage {
                target: self.player(target.as_ref())?,
                weapon: self.name(weapon.as_ref())?,
                headshot: *headshot,
                has_shot: shot.is_some(),
                milli: *milli,
                health: health_milli.unwrap_or(UNKNOWN),
                shot: shot.unwrap_or_default(),
            },
            Data::Position { mm } => What::Position { mm: *mm },
            Data::ItemUse { item, quantity, shots } => What::ItemUse {
                item: self.name(item.as_ref())?,
                quantity: *quantity,
                shots: *shots,
            },
            Data::Objective { name, round, winner, points } => match name.as_str() {
                "round_start" => What::RoundStart { round: *round },
                "round_end" => {
                    What::RoundEnd { round: *round, winner: self.name(winner.as_ref())? }
                }
                "spawn" => What::Spawn,
                _ => What::Objective { name: self.name(Some(name))?, points: *points },
            },
        })
    }

    /// Puts the fresh facts where they belong and folds what nothing earlier is expected for any more.
    pub(super) fn settle(&mut self) {
        self.fold.reach(self.players.len());
        if !self.fresh.is_empty() {
            self.fresh.sort_unstable_by_key(Fact::key);
            let first = self.fresh[0].key();
            if self.last_folded().is_some_and(|last| first < last) {
                self.go_back(first);
            }
            let folded = self.folded;
            let at = folded + self.facts[folded..].partition_point(|fact| fact.key() < first);
            self.facts.append(&mut self.fresh);
            self.facts[at..].sort_by_key(Fact::key);
        }
        let settled_us = self.horizon_us.saturating_sub(HOLD_US);
        while let Some(fact) = self.facts.get(self.folded).filter(|f| f.time_us <= settled_us) {
            self.fold.step(fact, &self.rules, &mut Deaf);
            self.folded += 1;
            if self.folded.is_multiple_of(CHECKPOINT_INTERVAL) {
                self.checkpoint();
            }
        }
    }

    /// Back to a checkpoint before a fact that came late.
    fn go_back(&mut self, first: Key) {
        self.refolds += 1;
        let at = self.facts.partition_point(|fact| fact.key() < first);
        while self.checkpoints.last().is_some_and(|(folded, _)| *folded > at) {
            self.checkpoints.pop();
        }
        (self.folded, self.fold) = self.checkpoints.last().cloned().unwrap_or_default();
        self.fold.reach(self.players.len());
    }

    fn checkpoint(&mut self) {
        if self.checkpoints.len() >= CHECKPOINTS_MAX {
            let mut index = 0;
            self.checkpoints.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }
        self.checkpoints.push((self.folded, self.fold.clone()));
    }

    /// The match with everything that was counted.
    pub fn view(&mut self) -> MatchView {
        self.settle();
        let mut fold = self.fold.clone();
        for fact in &self.facts[self.folded..] {
            fold.step(fact, &self.rules, &mut Deaf);
        }
        self.seen(fold, self.version())
    }

    /// The match as it was when it had counted so many events.
    pub fn view_at(&mut self, version: u64) -> Result<MatchView> {
        if version > self.version() {
            let what = format!("accepts 1 to {}, the version of the match", self.version());
            return Err(Error::invalid("asOfVersion", what));
        }
        self.settle();
        let mut fold = Fold::default();
        fold.reach(self.players.len());
        for fact in self.facts.iter().filter(|fact| u64::from(fact.version) <= version) {
            fold.step(fact, &self.rules, &mut Deaf);
        }
        Ok(self.seen(fold, version))
    }

    fn seen(&self, fold: Fold, version: u64) -> MatchView {
        MatchView {
            id: self.id.clone(),
            version,
            fold,
            players: self.players.clone(),
            names: self.names.clone(),
            ends: self.ends.clone(),
        }
    }

    /// Every fact in order, for those who fold it otherwise.
    pub(super) fn in_order(&mut self) -> &[Fact] {
        self.settle();
        &self.facts
    }

    /// Room in memory, in bytes: an estimate from what is kept.
    pub fn bytes(&self) -> usize {
        let facts = (self.facts.capacity() + self.fresh.capacity()) * size_of::<Fact>();
        let known = self.known.capacity() * (size_of::<(EventId, u64)>() + 1);
        let players = self.fold.players.len() * size_of::<super::fold::Player>();
        facts + known + players * (1 + self.checkpoints.len()) + size_of::<Self>()
    }

    /// Takes facts that were kept, see `keep`.
    pub(super) fn restore(&mut self, facts: Vec<Fact>) {
        self.horizon_us = facts.iter().map(|fact| fact.time_us).max().unwrap_or(i64::MIN);
        self.fresh = facts;
    }
}
