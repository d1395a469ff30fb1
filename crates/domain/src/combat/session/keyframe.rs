//! A session as bytes: keyframes that stand alone, and the hash by which two folds are compared.

use super::{History, PLAYERS_EVER_MAX, PLAYERS_MAX, PROJECTILES_MAX, Player, Round, Session};
use crate::combat::event::{Created, End, Projectile};
use crate::combat::verdict::Status;
use crate::combat::wire::{Reader, Wire};
use crate::combat::{PlayerNo, Tick};
use crate::{Code, Error, Result};

/// The form of keyframes and events that this code writes, and the rules by which it folds. Data of
/// another version is refused, never guessed at.
pub const KEYFRAME_VERSION: u32 = 2;

/// BLAKE3 of a session's keyframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateHash(pub [u8; 32]);

impl std::fmt::Display for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Session {
    /// The whole state: folding the rest of the log upon it gives what folding the whole log gives.
    pub fn keyframe(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4_096);
        self.write_keyframe(&mut out);
        out
    }

    pub fn from_keyframe(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let version = u32::read(&mut reader)?;
        if version != KEYFRAME_VERSION {
            let what =
                format!("a keyframe of version {version}; this server reads {KEYFRAME_VERSION}");
            return Err(Error::new(Code::DataCorrupted, what));
        }
        let session = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(session)
    }

    pub fn state_hash(&self) -> StateHash {
        StateHash(*blake3::hash(&self.keyframe()).as_bytes())
    }

    fn write_keyframe(&self, out: &mut Vec<u8>) {
        KEYFRAME_VERSION.write(out);
        self.write(out);
    }

    fn check(&self, reader: &Reader<'_>) -> Result<()> {
        let seats = usize::from(self.created.max_players);
        let wrong = |what| Err(reader.corrupted(what));
        if !(1..=PLAYERS_MAX).contains(&self.created.max_players) || self.seats.len() != seats {
            return wrong("an impossible number of seats");
        }
        if self.created.rules.check().is_err() {
            return wrong("rules that are not accepted");
        }
        if self.players.len() > PLAYERS_EVER_MAX || self.projectiles.len() > PROJECTILES_MAX {
            return wrong("more players or projectiles than there can be");
        }
        if self.tick > Tick::MAX || !self.players.iter().all(|p| p.pose.position.is_in_world()) {
            return wrong("a time or a place that cannot be");
        }
        if self.team_scores.len() != usize::from(self.created.mode.teams) {
            return wrong("scores of other teams than the mode has");
        }
        if !self.history.fits(self.created.rules.history_rows(), seats) {
            return wrong("a history of another shape");
        }
        let sits = |(index, player): (usize, &Player)| match player.seat {
            None => true,
            Some(seat) => self.seats.get(usize::from(seat)) == Some(&Some(PlayerNo(index as u16))),
        };
        let seated = self.players.iter().filter(|player| player.seat.is_some()).count();
        if !self.players.iter().enumerate().all(sits) || seated != self.present_count() {
            return wrong("players and seats that do not agree");
        }
        Ok(())
    }
}

impl Wire for Session {
    fn write(&self, out: &mut Vec<u8>) {
        let Self {
            version,
            tick,
            at_us,
            created,
            status,
            started_at_us,
            ended_at_us,
            end,
            aborted_why,
            players,
            seats,
            team_scores,
            round,
            projectiles,
            next_projectile,
            tracks,
            history,
        } = self;
        version.write(out);
        tick.write(out);
        at_us.write(out);
        created.write(out);
        status.write(out);
        started_at_us.write(out);
        ended_at_us.write(out);
        end.write(out);
        aborted_why.write(out);
        players.write(out);
        seats.write(out);
        team_scores.write(out);
        round.write(out);
        projectiles.write(out);
        next_projectile.write(out);
        tracks.write(out);
        history.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let session = Self {
            version: u64::read(reader)?,
            tick: Tick::read(reader)?,
            at_us: u64::read(reader)?,
            created: Created::read(reader)?,
            status: Status::read(reader)?,
            started_at_us: Option::read(reader)?,
            ended_at_us: Option::read(reader)?,
            end: Option::<End>::read(reader)?,
            aborted_why: String::read(reader)?,
            players: Vec::<Player>::read(reader)?,
            seats: Vec::read(reader)?,
            team_scores: Vec::read(reader)?,
            round: Round::read(reader)?,
            projectiles: Vec::<Projectile>::read(reader)?,
            next_projectile: u32::read(reader)?,
            tracks: u32::read(reader)?,
            history: History::read(reader)?,
        };
        session.check(reader)?;
        Ok(session)
    }
}
