//! A session's life: waiting → active ⇄ paused → ended; aborted from any that is not over.

use super::{Judged, NAME_BYTES_MAX, Turn, wrong_status};
use crate::combat::content::ModeKind;
use crate::combat::event::{End, EndReason, Event};
use crate::combat::session::PLAYERS_MAX;
use crate::combat::verdict::{Reason, Status, Verdict};
use crate::combat::{PlayerNo, TeamNo};

/// Why a session is aborted by somebody who does not say why.
const ASKED: &str = "asked";

impl Turn<'_> {
    pub(super) fn update(
        &mut self,
        name: Option<&str>,
        max_players: Option<u8>,
    ) -> Judged<Verdict> {
        if self.session.status.is_over() {
            return Err(wrong_status(self.session.status));
        }
        if let Some(max_players) = max_players {
            // The history has a place for each seat, so their number is fixed by the start.
            self.require(&[Status::Waiting])?;
            let mut seats = self.session.seats.iter();
            let needed = seats.rposition(Option::is_some).map_or(1, |last| last + 1);
            if usize::from(max_players) < needed || max_players > PLAYERS_MAX {
                return Err(Verdict::of(Reason::SessionFull));
            }
        }
        let fits = |name: &str| name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
        if !name.is_none_or(fits) {
            return Err(Verdict::of(Reason::Malformed));
        }
        if name.is_none() && max_players.is_none() {
            return Err(Verdict::of(Reason::AlreadyDone));
        }
        self.emit(Event::Updated { name: name.map(str::to_owned), max_players });
        Ok(Verdict::of(Reason::Accepted))
    }

    pub(super) fn start(&mut self) -> Judged<Verdict> {
        self.require(&[Status::Waiting])?;
        self.emit(Event::Started);
        if let ModeKind::Rounds(_) = self.session.created.mode.kind {
            self.start_round();
        } else {
            self.spawn_waiting();
        }
        Ok(Verdict::of(Reason::Accepted))
    }

    pub(super) fn pause(&mut self) -> Judged<Verdict> {
        self.require(&[Status::Active])?;
        self.emit(Event::Paused);
        Ok(Verdict::of(Reason::Accepted))
    }

    pub(super) fn resume(&mut self) -> Judged<Verdict> {
        self.require(&[Status::Paused])?;
        self.emit(Event::Resumed);
        Ok(Verdict::of(Reason::Accepted))
    }

    pub(super) fn end(&mut self, empty: bool) -> Judged<Verdict> {
        self.require(&[Status::Active, Status::Paused])?;
        self.finish(if empty { EndReason::Empty } else { EndReason::Asked });
        Ok(Verdict::of(Reason::Accepted))
    }

    pub(super) fn abort(&mut self, why: &str) -> Judged<Verdict> {
        self.require(&[Status::Waiting, Status::Active, Status::Paused])?;
        let why: String = why.chars().filter(|c| !c.is_control()).take(NAME_BYTES_MAX).collect();
        let why = if why.trim().is_empty() { ASKED.to_owned() } else { why };
        self.emit(Event::Aborted { why });
        Ok(Verdict::of(Reason::Accepted))
    }

    /// Ends the session in favour of whoever leads; equal scores are a draw.
    pub(super) fn finish(&mut self, why: EndReason) {
        let (team, player) = if self.session.team_scores.is_empty() {
            (TeamNo(0), self.leading_player())
        } else {
            (self.leading_team(), None)
        };
        self.emit(Event::Ended(End { why, team, player }));
    }

    fn leading_team(&self) -> TeamNo {
        let scores = &self.session.team_scores;
        let best = scores.iter().max().copied().unwrap_or(0);
        let mut leaders = scores.iter().enumerate().filter(|(_, score)| **score == best);
        match (leaders.next(), leaders.next()) {
            (Some((index, _)), None) => TeamNo(index as u8 + 1),
            _ => TeamNo(0),
        }
    }

    fn leading_player(&self) -> Option<PlayerNo> {
        let best = self.session.present().map(|(_, player)| player.score).max()?;
        let mut leaders = self.session.present().filter(|(_, player)| player.score == best);
        match (leaders.next(), leaders.next()) {
            (Some((number, _)), None) => Some(number),
            _ => None,
        }
    }
}
