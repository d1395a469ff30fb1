//! A session: a pure fold over its log.
//!
//! [`Session::apply`] folds a record and is the only thing that changes a session;
//! [`Session::execute`] judges a command and applies the events that come of it one by one, so that what
//! is live and what is replayed went through the same code. Nothing here reads a clock: `at_us` is the
//! owner's monotonic time since the session was created, and ticks are counted by `Ticked` events.

mod answers;
mod apply;
mod clock;
mod combatants;
mod history;
mod keyframe;
mod motion;
mod player;
mod undertakings;

pub use answers::{ANSWERS_MAX, Answer, Answers, Numbered};
pub use clock::{CLIENT_US_MAX, ClientClock, ClockSample};
pub use history::{History, Sample, Seen};
pub use keyframe::{KEYFRAME_VERSION, StateHash};
pub use motion::{Motion, Step};
pub use player::{ActionState, Cast, Contribution, Life, Player, Pose, WeaponState};
pub(in crate::combat) use undertakings::EFFECTS_MAX;

use super::event::{Created, End, Event, Projectile, Record};
use super::ids::{PlayerNo, TeamNo, Tick};
use super::stats::PlayerStats;
use super::verdict::Status;
use super::wire::wire_struct;
use crate::{Code, Error, Result};

/// Players present at once, at most.
pub const PLAYERS_MAX: u8 = 128;

/// Different players in the whole life of a session, at most.
pub const PLAYERS_EVER_MAX: usize = 1_024;

/// Projectiles in flight in a session, at most; a shot beyond is refused.
pub const PROJECTILES_MAX: usize = 512;

/// The state of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Number of records folded; the number of the last one.
    pub version: u64,
    pub tick: Tick,
    /// When the last record happened, as [`Record::at_us`].
    pub at_us: u64,
    pub created: Created,
    pub status: Status,
    pub started_at_us: Option<u64>,
    pub ended_at_us: Option<u64>,
    pub end: Option<End>,
    /// Why it was aborted, if it was.
    pub aborted_why: String,
    /// By [`PlayerNo`].
    pub players: Vec<Player>,
    /// Who sits where.
    pub seats: Vec<Option<PlayerNo>>,
    /// Points of the teams; the first is team 1.
    pub team_scores: Vec<i32>,
    pub round: Round,
    pub projectiles: Vec<Projectile>,
    pub next_projectile: u32,
    /// Lives and teleports so far, of all players: the newest [`Player::track`].
    pub tracks: u32,
    pub history: History,
}

/// Where the rounds stand; unused in other modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// 0 before the first.
    pub number: u32,
    pub ends_at: Tick,
    /// Between two rounds: when the next starts.
    pub next_at: Option<Tick>,
}

wire_struct!(Round { number, ends_at, next_at });

impl Session {
    /// The session that the first record of a log makes.
    pub fn begin(record: &Record) -> Result<Self> {
        let Event::Created(created) = &record.event else {
            return Err(corrupted("the first record does not create a session"));
        };
        if record.number != 1 || record.tick != Tick(0) {
            return Err(corrupted("the first record is not the first"));
        }
        let seats = usize::from(created.max_players);
        if !(1..=PLAYERS_MAX).contains(&created.max_players) {
            return Err(corrupted("a session with an impossible number of seats"));
        }
        created.rules.check().map_err(|error| corrupted(&error.message))?;
        Ok(Self {
            version: 1,
            tick: Tick(0),
            at_us: record.at_us,
            status: Status::Waiting,
            started_at_us: None,
            ended_at_us: None,
            end: None,
            aborted_why: String::new(),
            players: Vec::new(),
            seats: vec![None; seats],
            team_scores: vec![0; usize::from(created.mode.teams)],
            round: Round::default(),
            projectiles: Vec::new(),
            next_projectile: 1,
            tracks: 0,
            history: History::new(created.rules.history_rows(), seats),
            created: (**created).clone(),
        })
    }

    /// Folds a whole log.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self> {
        let mut records = records.into_iter();
        let first = records.next().ok_or_else(|| corrupted("a log without records"))?;
        let mut session = Self::begin(first)?;
        records.try_for_each(|record| session.apply(record))?;
        Ok(session)
    }

    /// Folds the next record. One that cannot follow is `DATA_CORRUPTED`; the session is worthless then.
    pub fn apply(&mut self, record: &Record) -> Result<()> {
        if record.number != self.version + 1 {
            return Err(corrupted("a gap or a repetition in the numbers of a log"));
        }
        if record.at_us < self.at_us {
            return Err(corrupted("a record before the one that precedes it"));
        }
        let ticks = u32::from(matches!(record.event, Event::Ticked { .. }));
        if record.tick != self.tick.after(ticks) {
            return Err(corrupted("a record at another tick than the session's"));
        }
        self.at_us = record.at_us;
        self.change(&record.event)?;
        self.version = record.number;
        Ok(())
    }

    pub fn player(&self, player: PlayerNo) -> Option<&Player> {
        self.players.get(player.index())
    }

    /// The number of a player who is or was here.
    pub fn player_no(&self, player_id: &str) -> Option<PlayerNo> {
        let index = self.players.iter().position(|player| player.id == player_id)?;
        Some(PlayerNo(index as u16))
    }

    /// Who is here, in the order of their numbers.
    pub fn present(&self) -> impl Iterator<Item = (PlayerNo, &Player)> {
        let players = self.players.iter().enumerate();
        players
            .filter(|(_, player)| player.seat.is_some())
            .map(|(index, player)| (PlayerNo(index as u16), player))
    }

    pub fn present_count(&self) -> usize {
        self.seats.iter().flatten().count()
    }

    pub fn stats(&self, player: PlayerNo) -> Option<&PlayerStats> {
        self.player(player).map(|player| &player.stats)
    }

    /// Whether two players may harm each other by their teams alone.
    pub fn are_enemies(&self, one: PlayerNo, team: TeamNo, other: PlayerNo) -> bool {
        let other_team = self.player(other).map_or(TeamNo(0), |player| player.team);
        one != other && (team == TeamNo(0) || team != other_team)
    }

    fn player_mut(&mut self, player: PlayerNo) -> Result<&mut Player> {
        self.players
            .get_mut(player.index())
            .ok_or_else(|| corrupted("a record of a player who never joined"))
    }
}

pub(super) fn corrupted(why: &str) -> Error {
    Error::new(Code::DataCorrupted, "a stored combat event cannot be applied").with_context(why)
}
