//! The fold over the facts of a match, in their order.

mod combat;
mod player;
mod rounds;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::fact::{Fact, NOBODY, What};
use super::{Figure, Kind};
pub(super) use player::Player;
pub use player::WeaponFigures;
pub use rounds::Round;

/// A death is traded if its killer is killed by a mate of the victim within this time.
pub const TRADE_WINDOW_US: i64 = 5_000_000;

/// Kills of a player belong to one multi-kill if each comes within this time of the one before.
pub const MULTI_KILL_GAP_US: i64 = 10_000_000;

/// Minutes of the timeline; what happens in further ones is in the totals only.
pub(super) const BUCKETS_MAX: usize = 1_440;

/// What a match can be told to count by; the defaults are those of the definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub trade_window_us: i64,
    pub multi_kill_gap_us: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { trade_window_us: TRADE_WINDOW_US, multi_kill_gap_us: MULTI_KILL_GAP_US }
    }
}

/// Is told of every change of a figure: `ExplainStat` listens, everybody else does not.
pub(super) trait Listen {
    fn changed(&mut self, player: u16, figure: Figure, from: u64, to: u64, fact: &Fact);
}

/// Nobody listens.
pub(super) struct Deaf;

impl Listen for Deaf {
    fn changed(&mut self, _: u16, _: Figure, _: u64, _: u64, _: &Fact) {}
}

/// One minute of a match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    pub events: u64,
    pub kills: u64,
    pub deaths: u64,
    pub damage_milli: u64,
    pub objectives: u64,
}

/// The state of the fold. A clone shares what has not changed since, so that it may be published and
/// kept as a checkpoint.
#[derive(Debug, Clone, Default)]
pub(super) struct Fold {
    pub(super) players: Vec<Arc<Player>>,
    pub(super) rounds: Vec<Arc<Round>>,
    pub(super) buckets: Arc<BTreeMap<i64, Bucket>>,
    pub(super) map: Option<u16>,
    pub(super) mode: Option<u16>,
    pub(super) started_us: Option<i64>,
    /// Time and id of the last end: that is the one which holds.
    pub(super) end: Option<(i64, super::EventId)>,
    pub(super) first_us: Option<i64>,
    pub(super) last_us: i64,
    pub(super) counts: [u64; Kind::ALL.len()],
    /// Number of the open round in `rounds`.
    open: Option<usize>,
    /// The open round has had its first kill.
    opened: bool,
    /// The first kill of the match: when, by whom, of whom.
    pub(super) first_kill: Option<(i64, u16, u16)>,
    /// Kills of the trade window, oldest first.
    recent: VecDeque<RecentKill>,
}

#[derive(Debug, Clone, Copy)]
struct RecentKill {
    time_us: i64,
    killer: u16,
    victim: u16,
    traded: bool,
}

impl Fold {
    /// Room for so many players.
    pub(super) fn reach(&mut self, players: usize) {
        while self.players.len() < players {
            self.players.push(Arc::default());
        }
    }

    pub(super) fn step(&mut self, fact: &Fact, rules: &Rules, listen: &mut impl Listen) {
        self.first_us.get_or_insert(fact.time_us);
        self.last_us = fact.time_us;
        self.counts[fact.what.kind() as usize - 1] += 1;
        if fact.actor != NOBODY {
            self.hear(fact.actor, fact, listen);
        }
        let mut act = Act { fold: self, fact, rules, listen };
        match fact.what {
            What::MatchStart { map, mode } => self.begin(fact.time_us, map, mode),
            What::MatchEnd => act.match_end(),
            What::PlayerJoin { team } => act.join(team),
            What::PlayerLeave => act.leave(),
            What::Kill { victim, weapon, headshot } => act.kill(victim, weapon, headshot),
            What::Death { killer, weapon } => act.death(killer, weapon),
            What::Assist { .. } => act.assist(),
            What::Damage { .. } => act.damage(),
            What::Position { mm } => act.position(mm),
            What::ItemUse { item, quantity, shots } => act.item_use(item, quantity, shots),
            What::RoundStart { round } => act.round_start(round),
            What::RoundEnd { round, winner } => act.round_end(round, winner),
            What::Spawn => act.spawn(),
            What::Objective { points, .. } => act.objective(points),
        }
        self.count_minute(fact);
    }

    fn begin(&mut self, time_us: i64, map: u16, mode: u16) {
        if self.started_us.is_none() {
            self.started_us = Some(time_us);
            self.map = Some(map).filter(|map| *map != NOBODY);
            self.mode = Some(mode).filter(|mode| *mode != NOBODY);
        }
    }

    fn count_minute(&mut self, fact: &Fact) {
        let minute = fact.time_us.div_euclid(60_000_000);
        let full = self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(&minute);
        if full {
            return;
        }
        let bucket = Arc::make_mut(&mut self.buckets).entry(minute).or_default();
        bucket.events += 1;
        match fact.what {
            What::Kill { .. } => bucket.kills += 1,
            What::Death { .. } => bucket.deaths += 1,
            What::Damage { milli, .. } => bucket.damage_milli += u64::from(milli),
            What::Objective { .. } => bucket.objectives += 1,
            _ => {}
        }
    }

    pub(super) fn has_rounds(&self) -> bool {
        !self.rounds.is_empty()
    }
}

/// One step of the fold.
struct Act<'a, L: Listen> {
    fold: &'a mut Fold,
    fact: &'a Fact,
    rules: &'a Rules,
    listen: &'a mut L,
}

impl<L: Listen> Act<'_, L> {
    fn player(&mut self, player: u16) -> &mut Player {
        Arc::make_mut(&mut self.fold.players[usize::from(player)])
    }

    fn add(&mut self, player: u16, figure: Figure, amount: u64) {
        if amount > 0 {
            let value = self.fold.players[usize::from(player)].figures.get(figure);
            self.set(player, figure, value.saturating_add(amount));
        }
    }

    fn set(&mut self, player: u16, figure: Figure, value: u64) {
        let at_us = self.fact.time_us;
        let from = self.fold.players[usize::from(player)].figures.get(figure);
        if from != value {
            self.player(player).figures.set(figure, value, at_us);
            self.listen.changed(player, figure, from, value, self.fact);
        }
    }

    /// Whether two different players are on one side.
    fn are_mates(&self, one: u16, other: u16) -> bool {
        let team = |player: u16| self.fold.players[usize::from(player)].team;
        one != other && team(one) != NOBODY && team(one) == team(other)
    }
}
