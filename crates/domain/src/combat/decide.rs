//! From what a caller wants to what happens: judged, with the evidence, and folded.

#![expect(
    clippy::result_large_err,
    reason = "a refusal is as common as an acceptance, and its evidence must not cost an allocation"
)]

mod action;
mod damage;
mod effects;
mod hits;
mod join;
mod lifecycle;
mod movement;
mod projectiles;
mod shot;
mod tick;

use super::command::Command;
use super::content::CheckedContent;
use super::event::{Created, Event, Record};
use super::ids::{PlayerNo, Tick};
use super::session::{PLAYERS_MAX, Player, Session};
use super::verdict::{Evidence, Reason, Status, Verdict};
use super::{MapNo, content::Rules};
use crate::{Error, Result};

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    /// What happened, in order; the session has folded it already.
    pub records: Vec<Record>,
}

/// A new session, as its creator wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    pub session_id: String,
    pub name: String,
    pub kind: String,
    pub max_players: u8,
    pub map_id: String,
    pub mode_id: String,
    /// For spread and places to live: from the caller, because nothing here makes randomness.
    pub seed: u64,
    /// In place of the content's.
    pub rules: Option<Rules>,
}

/// Bytes of a session's name and kind.
pub const NAME_BYTES_MAX: usize = 128;

impl NewSession {
    /// The first record of the session's log.
    pub fn create(self, content: &CheckedContent) -> Result<Record> {
        check_text("name", &self.name, 0)?;
        check_text("type", &self.kind, 0)?;
        check_text("sessionId", &self.session_id, 1)?;
        if !(1..=PLAYERS_MAX).contains(&self.max_players) {
            return Err(Error::invalid("maxPlayers", format!("accepts 1 to {PLAYERS_MAX}")));
        }
        let map = content.maps.iter().position(|map| map.id == self.map_id);
        let map = map.ok_or_else(|| unknown("mapId", content.maps.iter().map(|map| &*map.id)))?;
        let mode = content.modes.iter().find(|mode| mode.id == self.mode_id);
        let mode =
            mode.ok_or_else(|| unknown("gameMode", content.modes.iter().map(|mode| &*mode.id)))?;
        let rules = self.rules.unwrap_or_else(|| content.rules.clone());
        rules.check()?;
        let created = Created {
            session_id: self.session_id,
            name: self.name,
            kind: self.kind,
            max_players: self.max_players,
            seed: self.seed,
            content_name: content.name.clone(),
            content: content.hash(),
            map: MapNo(map as u16),
            map_id: self.map_id,
            mode: mode.clone(),
            rules,
        };
        let event = Event::Created(Box::new(created));
        Ok(Record { number: 1, tick: Tick(0), at_us: 0, event })
    }
}

impl Session {
    /// Judges a command and folds what comes of it. `at_us` is the time of arrival on the owner's
    /// monotonic clock since the session was created; one before the last record counts as that.
    ///
    /// The session must have been created with this very content: the caller finds it by its hash.
    pub fn execute(&mut self, content: &CheckedContent, command: &Command, at_us: u64) -> Decision {
        debug_assert_eq!(
            self.created.content,
            content.hash(),
            "another content than the session's"
        );
        let mut turn = Turn {
            at_us: at_us.max(self.at_us),
            session: self,
            content,
            records: Vec::with_capacity(1),
        };
        let verdict = turn.decide(command).unwrap_or_else(|verdict| verdict);
        Decision { verdict, records: turn.records }
    }
}

/// A judgement that ends the decision at once.
type Judged<T> = std::result::Result<T, Verdict>;

/// One command at work: what it emits is folded at once, so that what follows sees it.
struct Turn<'a> {
    session: &'a mut Session,
    content: &'a CheckedContent,
    at_us: u64,
    records: Vec<Record>,
}

impl Turn<'_> {
    fn decide(&mut self, command: &Command) -> Judged<Verdict> {
        match command {
            Command::Update { name, max_players } => self.update(name.as_deref(), *max_players),
            Command::Start => self.start(),
            Command::Pause => self.pause(),
            Command::Resume => self.resume(),
            Command::End { empty } => self.end(*empty),
            Command::Abort { why } => self.abort(why),
            Command::Join { player_id, team } => self.join(player_id, *team),
            Command::Leave { player, why } => self.leave(*player, *why),
            Command::ChangeTeam { player, team } => self.change_team(*player, *team),
            Command::Move(input) => self.walk(input),
            Command::Teleport { player, position, look } => {
                self.teleport(*player, *position, *look)
            }
            Command::Shoot(shot) => self.shoot(shot),
            Command::Reload { player } => self.reload(*player),
            Command::Switch { player, slot } => self.switch(*player, *slot),
            Command::Act(act) => self.act(act),
            Command::Respawn { player } => self.respawn(*player),
            Command::Tick => self.tick(),
        }
    }

    /// Folds an event and keeps its record. That it cannot be folded would be a defect here: it is
    /// then left out, and the session goes on.
    fn emit(&mut self, event: Event) {
        let ticks = u32::from(matches!(event, Event::Ticked { .. }));
        let record = Record {
            number: self.session.version + 1,
            tick: self.session.tick.after(ticks),
            at_us: self.at_us,
            event,
        };
        let folded = self.session.apply(&record);
        debug_assert_eq!(folded, Ok(()), "an event that was decided: {:?}", record.event);
        if folded.is_ok() {
            self.records.push(record);
        }
    }

    /// A player who is present.
    fn present(&self, player: PlayerNo) -> Judged<&Player> {
        let player = self.session.player(player).ok_or(Verdict::of(Reason::UnknownPlayer))?;
        if player.seat.is_some() { Ok(player) } else { Err(Verdict::of(Reason::NotPlaying)) }
    }

    fn require(&self, accepted: &[Status]) -> Judged<()> {
        let status = self.session.status;
        if accepted.contains(&status) { Ok(()) } else { Err(wrong_status(status)) }
    }
}

const fn wrong_status(status: Status) -> Verdict {
    Verdict::with(Reason::WrongStatus, Evidence::Status(status))
}

fn check_text(field: &str, text: &str, min: usize) -> Result<()> {
    let fits = (min..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits {
        return Ok(());
    }
    let what =
        format!("accepts {min} to {NAME_BYTES_MAX} bytes of UTF-8 without control characters");
    Err(Error::invalid(field, what))
}

fn unknown<'a>(field: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let known: Vec<&str> = known.collect();
    Error::invalid(field, format!("accepts one of {}", known.join(", ")))
}
