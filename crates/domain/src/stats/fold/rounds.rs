//! Rounds, and what they say of their players.

use std::sync::Arc;

use super::{Act, Listen};
use crate::stats::Figure;
use crate::stats::fact::NOBODY;

use super::player::InRound;

/// Rounds of a match that are kept one by one; later ones are counted all the same.
const ROUNDS_MAX: usize = 1_024;

/// A round as it was played.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// As the producer numbers it.
    pub number: u32,
    pub started_us: i64,
    pub ended_us: Option<i64>,
    /// Number of the winner's name in the match; see `MatchView`.
    pub(crate) winner: Option<u16>,
    pub kills: u64,
    pub deaths: u64,
}

impl<L: Listen> Act<'_, L> {
    pub(super) fn round_start(&mut self, number: u32) {
        self.close_round(NOBODY);
        for player in 0..self.fold.players.len() as u16 {
            let player = self.player(player);
            player.round = InRound::default();
            player.place = None;
            player.health = None;
            player.alive = player.present;
        }
        self.fold.opened = false;
        if self.fold.rounds.len() < ROUNDS_MAX {
            let round = Round { number, started_us: self.fact.time_us, ..Round::default() };
            self.fold.open = Some(self.fold.rounds.len());
            self.fold.rounds.push(Arc::new(round));
        }
    }

    /// An end without a start ends nothing.
    pub(super) fn round_end(&mut self, _number: u32, winner: u16) {
        self.close_round(winner);
    }

    pub(super) fn match_end(&mut self) {
        self.close_round(NOBODY);
        self.fold.end = Some((self.fact.time_us, self.fact.id));
    }

    fn close_round(&mut self, winner: u16) {
        let Some(open) = self.fold.open.take() else { return };
        let round = Arc::make_mut(&mut self.fold.rounds[open]);
        round.ended_us = Some(self.fact.time_us);
        round.winner = Some(winner).filter(|winner| *winner != NOBODY);
        for player in 0..self.fold.players.len() as u16 {
            let (took_part, won, survives, kast, clutch) = {
                let player = &self.fold.players[usize::from(player)];
                let won = winner != NOBODY && player.team == winner;
                let took_part = player.present || player.round.acted;
                (took_part, won, player.survives(), player.kast(), player.round.clutch > 0)
            };
            if !took_part {
                continue;
            }
            let one_if = u64::from;
            self.add(player, Figure::RoundsPlayed, 1);
            self.add(player, Figure::RoundsWon, one_if(won));
            self.add(player, Figure::RoundsSurvived, one_if(survives));
            self.add(player, Figure::KastRounds, one_if(kast));
            self.add(player, Figure::Clutches, one_if(clutch));
            self.add(player, Figure::ClutchesWon, one_if(clutch && won));
        }
    }

    pub(super) fn kill_in_round(&mut self, killer: u16, victim: u16) {
        self.fold.first_kill.get_or_insert((self.fact.time_us, killer, victim));
        self.player(killer).round.kills += 1;
        let Some(open) = self.fold.open else { return };
        Arc::make_mut(&mut self.fold.rounds[open]).kills += 1;
        self.add(killer, Figure::RoundKills, 1);
        if !std::mem::replace(&mut self.fold.opened, true) {
            self.add(killer, Figure::OpeningKills, 1);
            if victim != NOBODY {
                self.add(victim, Figure::OpeningDeaths, 1);
            }
        }
    }

    pub(super) fn death_in_round(&mut self, victim: u16) {
        self.player(victim).round.died = true;
        let Some(open) = self.fold.open else { return };
        Arc::make_mut(&mut self.fold.rounds[open]).deaths += 1;
        self.notice_clutch(victim);
    }

    /// The victim's team may have one left, against at least one.
    fn notice_clutch(&mut self, victim: u16) {
        let team = self.fold.players[usize::from(victim)].team;
        if team == NOBODY {
            return;
        }
        let (mut mates, mut last, mut others) = (0, victim, 0);
        for (number, player) in self.fold.players.iter().enumerate() {
            if !player.survives() || player.team == NOBODY {
                continue;
            }
            if player.team == team {
                mates += 1;
                last = number as u16;
            } else {
                others += 1;
            }
        }
        if mates == 1 && others > 0 && self.fold.players[usize::from(last)].round.clutch == 0 {
            self.player(last).round.clutch = others;
        }
    }
}
