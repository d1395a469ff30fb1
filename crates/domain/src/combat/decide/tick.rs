//! The next tick: everything that happens by itself, in an order that is part of the rules.

use super::{Judged, Turn};
use crate::combat::content::{ModeKind, OnTime, RoundRules};
use crate::combat::event::{EndReason, Event};
use crate::combat::session::{Life, Player};
use crate::combat::verdict::{Evidence, Reason, Status, Verdict};
use crate::combat::{PlayerNo, TeamNo, Tick};

impl Turn<'_> {
    /// First the tick is over and the positions of now become its history; then reloads, casts and
    /// effects, player by player in the order of the seats; then what flies; then lives, rounds and the
    /// end.
    pub(super) fn tick(&mut self) -> Judged<Verdict> {
        self.require(&[Status::Active])?;
        let tick = self.session.tick.after(1);
        self.emit(Event::Ticked { tick });
        for seat in 0..self.session.seats.len() {
            if let Some(player) = self.session.seats[seat] {
                self.tick_player(player);
            }
        }
        self.fly();
        if !self.session.status.is_over() {
            self.respawn_due();
            self.tick_round();
        }
        if !self.session.status.is_over() {
            self.finish_by_time();
        }
        Ok(Verdict::of(Reason::Accepted))
    }

    fn tick_player(&mut self, number: PlayerNo) {
        let tick = self.session.tick;
        let Some(player) = self.session.player(number).filter(|player| player.is_alive()) else {
            return;
        };
        let cast = player.cast.filter(|cast| cast.until <= tick);
        let effects = !player.effects.is_empty();
        if player.reloaded_at.is_some_and(|ready_at| ready_at <= tick)
            && let Some(event) = reloaded(number, player)
        {
            self.emit(event);
        }
        if let Some(cast) = cast {
            self.finish_cast(number, &cast);
        }
        if effects {
            self.tick_effects(number);
        }
    }

    fn respawn_due(&mut self) {
        let tick = self.session.tick;
        for seat in 0..self.session.seats.len() {
            let Some(number) = self.session.seats[seat] else { continue };
            let life = self.session.player(number).map(|player| player.life);
            if let Some(Life::Dead { respawn_at: Some(at), .. }) = life
                && at <= tick
            {
                self.spawn(number);
            }
        }
    }

    pub(super) fn respawn(&mut self, number: PlayerNo) -> Judged<Verdict> {
        self.require(&[Status::Active])?;
        let player = self.present(number)?;
        match player.life {
            Life::Dead { respawn_at: Some(at), .. } if at <= self.session.tick => {
                self.spawn(number);
                Ok(Verdict::of(Reason::Accepted))
            }
            Life::Dead { respawn_at: Some(at), .. } => {
                Err(Verdict::with(Reason::CannotRespawn, Evidence::Ready(at)))
            }
            Life::Dead { .. } | Life::Alive | Life::Waiting => {
                Err(Verdict::of(Reason::CannotRespawn))
            }
        }
    }

    fn tick_round(&mut self) {
        let ModeKind::Rounds(rules) = self.session.created.mode.kind else { return };
        let tick = self.session.tick;
        if let Some(next_at) = self.session.round.next_at {
            if next_at <= tick {
                self.start_round();
            }
            return;
        }
        let alive = self.alive_by_team();
        let dead = |(_, player): (_, &Player)| matches!(player.life, Life::Dead { .. });
        let decided = alive.iter().filter(|count| **count > 0).count() <= 1;
        if decided && self.session.present().any(dead) {
            self.end_round(&rules, last_standing(&alive));
        } else if self.session.round.ends_at <= tick {
            let winner = match rules.on_time {
                OnTime::Nobody => TeamNo(0),
                OnTime::Team(team) => team,
                OnTime::MoreAlive => most(&alive),
            };
            self.end_round(&rules, winner);
        }
    }

    /// A team whose last player goes has lost the round.
    pub(super) fn end_round_of_the_left(&mut self) {
        let ModeKind::Rounds(rules) = self.session.created.mode.kind else { return };
        let running = self.session.status == Status::Active && self.session.round.next_at.is_none();
        let alive = self.alive_by_team();
        if running && alive.iter().filter(|count| **count > 0).count() <= 1 {
            self.end_round(&rules, last_standing(&alive));
        }
    }

    fn end_round(&mut self, rules: &RoundRules, winner: TeamNo) {
        let next_at =
            self.session.tick.after(self.session.created.rules.ticks(rules.pause_ms).max(1));
        let round = self.session.round.number;
        self.emit(Event::RoundEnded { round, winner, next_at });
        self.finish_by_score();
    }

    fn alive_by_team(&self) -> Vec<usize> {
        let teams = 1..=self.session.created.mode.teams;
        let of = |team: u8| {
            self.session.present().filter(|(_, p)| p.is_alive() && p.team.0 == team).count()
        };
        teams.map(of).collect()
    }

    fn finish_by_time(&mut self) {
        let tick = self.session.tick;
        let time_max_ms = self.session.created.mode.time_max_ms;
        let last = Tick(self.session.created.rules.ticks(time_max_ms));
        if time_max_ms > 0 && tick >= last {
            self.finish(EndReason::Time);
        } else if tick >= Tick::MAX {
            self.finish(EndReason::TickLimit);
        }
    }
}

fn reloaded(number: PlayerNo, player: &Player) -> Option<Event> {
    let weapon = player.in_hands()?;
    let moved = weapon.reserve.min(weapon.magazine.saturating_sub(weapon.rounds));
    let (rounds, reserve) = (weapon.rounds + moved, weapon.reserve - moved);
    Some(Event::ReloadEnded { player: number, slot: player.slot, rounds, reserve })
}

fn last_standing(alive: &[usize]) -> TeamNo {
    alive.iter().position(|count| *count > 0).map_or(TeamNo(0), |index| TeamNo(index as u8 + 1))
}

/// The team with the most; 0 if two have.
fn most(alive: &[usize]) -> TeamNo {
    let best = alive.iter().max().copied().unwrap_or(0);
    let mut of_best = alive.iter().enumerate().filter(|(_, count)| **count == best);
    match (of_best.next(), of_best.next()) {
        (Some((index, _)), None) => TeamNo(index as u8 + 1),
        _ => TeamNo(0),
    }
}
