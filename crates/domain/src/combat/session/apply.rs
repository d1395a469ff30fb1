//! How each event changes a session. Nothing is judged here: what is folded has happened.

use super::{Life, PLAYERS_EVER_MAX, Player, Sample, Session, corrupted};
use crate::Result;
use crate::combat::content::ModeKind;
use crate::combat::event::{Corrected, End, Event, Moved, Projectile};
use crate::combat::fixed::{Look, Vec3};
use crate::combat::verdict::{Evidence, Status};
use crate::combat::{PlayerNo, ProjectileNo, TeamNo, Tick};

impl Session {
    pub(super) fn change(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Created(_) => return Err(corrupted("a session is created twice")),
            Event::Updated { name, max_players } => self.update(name.as_deref(), *max_players)?,
            Event::Started => {
                self.status = Status::Active;
                self.started_at_us = Some(self.at_us);
            }
            Event::Paused => self.status = Status::Paused,
            Event::Resumed => self.status = Status::Active,
            Event::Ended(end) => self.end(Status::Ended, Some(*end)),
            Event::Aborted { why } => {
                self.end(Status::Aborted, None);
                self.aborted_why.clone_from(why);
            }
            Event::Joined { player, player_id, seat, team } => {
                self.join(*player, player_id, *seat, *team)?;
            }
            Event::Left { player, .. } => self.leave(*player)?,
            Event::TeamChanged { player, team } => self.player_mut(*player)?.team = *team,
            Event::Spawned(spawned) => self.spawn(spawned)?,
            Event::Moved(moved) => self.moved(moved)?,
            Event::MoveStale { player, client_us } => {
                let at_us = self.at_us;
                let rules = self.created.rules.movement.clone();
                let clock = &mut self.player_mut(*player)?.motion.clock;
                clock.observe_stale(&rules, *client_us, at_us);
            }
            Event::Corrected(corrected) => self.corrected(corrected)?,
            Event::Teleported { player, correction, position, look } => {
                self.teleported(*player, *correction, *position, *look)?;
            }
            Event::Fired(fired) => self.fired(fired)?,
            Event::ShotRefused(refused) => self.shot_refused(refused)?,
            Event::Switched { player, slot, ready_at, speed_permille } => {
                self.switched(*player, *slot, *ready_at, *speed_permille)?;
            }
            Event::ReloadStarted { player, ready_at } => {
                self.player_mut(*player)?.reloaded_at = Some(*ready_at);
            }
            Event::ReloadEnded { player, slot, rounds, reserve } => {
                self.reloaded(*player, *slot, *rounds, *reserve)?;
            }
            Event::Launched(projectile) => self.launched(projectile)?,
            Event::ProjectileStopped { projectile, position } => {
                self.projectile_mut(*projectile)?.rest = Some(*position);
            }
            Event::Exploded { projectile, .. } => {
                self.projectile_mut(*projectile)?;
                self.projectiles.retain(|flying| flying.number != *projectile);
            }
            Event::Damaged(damaged) => self.damaged(damaged)?,
            Event::Healed { player, by, amount, .. } => self.healed(*player, *by, *amount)?,
            Event::Died(died) => self.died(died)?,
            Event::Acted(acted) => self.acted(acted)?,
            Event::ActionRefused(refused) => self.action_refused(refused)?,
            Event::CastDone { player, .. } => self.player_mut(*player)?.cast = None,
            Event::CastInterrupted { player, energy_back, .. } => {
                self.cast_interrupted(*player, *energy_back)?;
            }
            Event::EffectApplied { player, effect, replaces } => {
                self.effect_applied(*player, effect, *replaces)?;
            }
            Event::EffectPulsed { player, effect, next_at } => {
                self.effect_mut(*player, *effect)?.next_at = Some(*next_at);
            }
            Event::EffectEnded { player, effect, .. } => self.effect_ended(*player, *effect)?,
            Event::RoundStarted { round, ends_at } => self.round_started(*round, *ends_at),
            Event::RoundEnded { winner, next_at, .. } => self.round_ended(*winner, *next_at),
            Event::Ticked { tick } => self.ticked(*tick)?,
        }
        Ok(())
    }

    fn update(&mut self, name: Option<&str>, max_players: Option<u8>) -> Result<()> {
        if let Some(name) = name {
            name.clone_into(&mut self.created.name);
        }
        if let Some(max_players) = max_players {
            let seats = usize::from(max_players);
            let lost = self.seats.iter().skip(seats).any(Option::is_some);
            if lost || !(1..=super::PLAYERS_MAX).contains(&max_players) || self.tick != Tick(0) {
                return Err(corrupted("seats are taken away that are taken"));
            }
            self.created.max_players = max_players;
            self.seats.resize(seats, None);
            self.history = super::History::new(self.created.rules.history_rows(), seats);
        }
        Ok(())
    }

    fn end(&mut self, status: Status, end: Option<End>) {
        self.status = status;
        self.end = end;
        self.ended_at_us = Some(self.at_us);
        self.projectiles.clear();
    }

    fn join(&mut self, player: PlayerNo, id: &str, seat: u8, team: TeamNo) -> Result<()> {
        if player.index() > self.players.len() || player.index() >= PLAYERS_EVER_MAX {
            return Err(corrupted("a player's number is not the next one"));
        }
        if player.index() == self.players.len() {
            self.players.push(Player { id: id.to_owned(), ..Player::default() });
        }
        let free = self.seats.get_mut(usize::from(seat)).filter(|seat| seat.is_none());
        *free.ok_or_else(|| corrupted("a player joins a seat that is not free"))? = Some(player);
        let joined = self.player_mut(player)?;
        if joined.id != id || joined.seat.is_some() {
            return Err(corrupted("a player joins under another's number, or twice"));
        }
        joined.seat = Some(seat);
        joined.team = team;
        joined.motion.reconnect();
        joined.view_q8 = 0;
        Ok(())
    }

    /// Who leaves alive waits as after a death when he comes back, so that leaving heals nobody.
    fn leave(&mut self, player: PlayerNo) -> Result<()> {
        let (tick, at_us) = (self.tick, self.at_us);
        let mode = &self.created.mode;
        let respawn_at = match mode.kind {
            ModeKind::Rounds(_) => None,
            _ => Some(tick.after(self.created.rules.ticks(mode.respawn_ms))),
        };
        let left = self.player_mut(player)?;
        let seat = left.seat.take().ok_or_else(|| corrupted("a player leaves twice"))?;
        left.drop_everything();
        left.life = match (left.life, respawn_at) {
            (_, None) | (Life::Waiting, _) => Life::Waiting,
            (Life::Alive, Some(_)) => Life::Dead { at_us, tick, respawn_at },
            (dead @ Life::Dead { .. }, Some(_)) => dead,
        };
        let free = self.seats.get_mut(usize::from(seat));
        *free.ok_or_else(|| corrupted("a seat that does not exist"))? = None;
        Ok(())
    }

    fn moved(&mut self, moved: &Moved) -> Result<()> {
        let at_us = self.at_us;
        let Moved { input, grounded } = moved;
        let player = self
            .players
            .get_mut(input.player.index())
            .ok_or_else(|| corrupted("a record of a player who never joined"))?;
        let rules = &self.created.rules.movement;
        let step = player.motion.measure(rules, player.pose.position, input, at_us);
        player.motion.accept(rules, &step, input, *grounded, at_us);
        player.awaits_correction = false;
        player.pose.position = input.position;
        player.pose.look = input.look;
        player.pose.stance = input.stance;
        player.stats.moves += 1;
        player.stats.distance_q += step.distance_q.max(0) as u64;
        Ok(())
    }

    fn corrected(&mut self, corrected: &Corrected) -> Result<()> {
        let at_us = self.at_us;
        let rules = self.created.rules.movement.clone();
        let player = self.player_mut(corrected.player)?;
        player.motion.refuse(&rules, corrected.input.client_us, at_us);
        player.motion.place(player.pose.position);
        player.correction = corrected.correction;
        player.awaits_correction = true;
        player.stats.corrections += 1;
        if let Evidence::Move(evidence) = &corrected.verdict.evidence {
            player.motion.suspect(evidence.suspicion_milli, at_us);
        }
        Ok(())
    }

    fn teleported(
        &mut self,
        player: PlayerNo,
        correction: u32,
        position: Vec3,
        look: Look,
    ) -> Result<()> {
        let track = self.new_track();
        let player = self.player_mut(player)?;
        player.track = track;
        player.correction = correction;
        player.awaits_correction = true;
        player.pose.position = position;
        player.pose.look = look;
        player.motion.place(position);
        Ok(())
    }

    pub(super) const fn new_track(&mut self) -> u32 {
        self.tracks = self.tracks.saturating_add(1);
        self.tracks
    }

    pub(super) fn projectile_mut(&mut self, number: ProjectileNo) -> Result<&mut Projectile> {
        self.projectiles
            .iter_mut()
            .find(|projectile| projectile.number == number)
            .ok_or_else(|| corrupted("a record of a projectile that does not fly"))
    }

    fn round_started(&mut self, round: u32, ends_at: Tick) {
        self.round = super::Round { number: round, ends_at, next_at: None };
        self.projectiles.clear();
    }

    fn round_ended(&mut self, winner: TeamNo, next_at: Tick) {
        self.round.next_at = Some(next_at);
        self.score_team(winner, 1);
    }

    pub(super) fn score_team(&mut self, team: TeamNo, points: i32) {
        let index = usize::from(team.0).wrapping_sub(1);
        if let Some(score) = self.team_scores.get_mut(index) {
            *score = score.saturating_add(points);
        }
    }

    fn ticked(&mut self, tick: Tick) -> Result<()> {
        if tick != self.tick.after(1) {
            return Err(corrupted("a tick is left out or repeated"));
        }
        self.tick = tick;
        let players = &self.players;
        let samples = self.seats.iter().map(|seat| {
            let player = seat.and_then(|player| players.get(player.index()));
            player.filter(|player| player.is_alive()).map_or_else(Sample::default, |player| {
                Sample {
                    track: player.track,
                    position: player.pose.position,
                    yaw: player.pose.look.yaw,
                    stance: player.pose.stance,
                }
            })
        });
        self.history.push(tick, samples);
        Ok(())
    }
}
