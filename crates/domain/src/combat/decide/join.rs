//! Who is here: joining, leaving, teams, and lives.

use super::{Judged, Turn, wrong_status};
use crate::combat::content::{ModeKind, Spawn};
use crate::combat::event::{Carried, Event, LeaveReason, Prepared, Spawned, Worn};
use crate::combat::session::{Life, PLAYERS_EVER_MAX};
use crate::combat::verdict::{Evidence, Reason, SeatEvidence, Status, Verdict};
use crate::combat::{PlayerNo, TeamNo, Tick, random};

/// Bytes of a player's id.
const PLAYER_ID_BYTES_MAX: usize = 256;

impl Turn<'_> {
    pub(super) fn join(&mut self, player_id: &str, team: Option<TeamNo>) -> Judged<Verdict> {
        self.require(&[Status::Waiting, Status::Active, Status::Paused])?;
        let fits = (1..=PLAYER_ID_BYTES_MAX).contains(&player_id.len());
        if !fits || player_id.chars().any(char::is_control) {
            return Err(Verdict::of(Reason::Malformed));
        }
        let known = self.session.player_no(player_id);
        let number = known.unwrap_or(PlayerNo(self.session.players.len() as u16));
        if let Some(player) = known.and_then(|known| self.session.player(known))
            && let Some(seat) = player.seat
        {
            let seat = SeatEvidence { player: number, seat, team: player.team };
            return Err(Verdict::with(Reason::AlreadyDone, Evidence::Seat(seat)));
        }
        let seat = self.session.seats.iter().position(Option::is_none);
        let Some(seat) = seat.filter(|_| number.index() < PLAYERS_EVER_MAX) else {
            return Err(Verdict::of(Reason::SessionFull));
        };
        let team = self.team_for(team)?;
        let seat = seat as u8;
        self.emit(Event::Joined { player: number, player_id: player_id.to_owned(), seat, team });
        let rounds = matches!(self.session.created.mode.kind, ModeKind::Rounds(_));
        let waits = self.session.player(number).is_some_and(|player| player.life == Life::Waiting);
        if self.session.status == Status::Active && !rounds && waits {
            self.spawn(number);
        }
        let seat = SeatEvidence { player: number, seat, team };
        Ok(Verdict::with(Reason::Accepted, Evidence::Seat(seat)))
    }

    /// The team asked for, if it exists; otherwise the smallest, and of equal ones the first.
    fn team_for(&self, wish: Option<TeamNo>) -> Judged<TeamNo> {
        let teams = self.session.created.mode.teams;
        match wish.filter(|wish| *wish != TeamNo(0)) {
            Some(wish) if wish.0 <= teams => Ok(wish),
            Some(_) => Err(Verdict::of(Reason::NoSuchTeam)),
            None => {
                let size = |team: &u8| {
                    self.session.present().filter(|(_, player)| player.team.0 == *team).count()
                };
                Ok(TeamNo((1..=teams).min_by_key(size).unwrap_or(0)))
            }
        }
    }

    pub(super) fn leave(&mut self, player: PlayerNo, why: LeaveReason) -> Judged<Verdict> {
        if self.session.status.is_over() {
            return Err(wrong_status(self.session.status));
        }
        let alive = match self.present(player) {
            Ok(state) => state.is_alive(),
            Err(Verdict { reason: Reason::NotPlaying, .. }) => {
                return Err(Verdict::of(Reason::AlreadyDone));
            }
            Err(verdict) => return Err(verdict),
        };
        self.emit(Event::Left { player, why });
        if alive {
            self.end_round_of_the_left();
        }
        Ok(Verdict::of(Reason::Accepted))
    }

    /// Only the dead and those who wait change teams: a living player would take his place with him.
    pub(super) fn change_team(&mut self, player: PlayerNo, team: TeamNo) -> Judged<Verdict> {
        self.require(&[Status::Waiting, Status::Active, Status::Paused])?;
        let state = self.present(player)?;
        if team.0 == 0 || team.0 > self.session.created.mode.teams {
            return Err(Verdict::of(Reason::NoSuchTeam));
        }
        if state.team == team {
            return Err(Verdict::of(Reason::AlreadyDone));
        }
        if state.is_alive() {
            return Err(wrong_status(self.session.status));
        }
        self.emit(Event::TeamChanged { player, team });
        Ok(Verdict::of(Reason::Accepted))
    }

    /// Everybody who is here and has no life gets one.
    pub(super) fn spawn_waiting(&mut self) {
        for seat in 0..self.session.seats.len() {
            if let Some(player) = self.session.seats[seat]
                && self.session.player(player).is_some_and(|player| player.life == Life::Waiting)
            {
                self.spawn(player);
            }
        }
    }

    pub(super) fn start_round(&mut self) {
        let ModeKind::Rounds(rounds) = self.session.created.mode.kind else { return };
        let ends_at = self.session.tick.after(self.session.created.rules.ticks(rounds.round_ms));
        self.emit(Event::RoundStarted { round: self.session.round.number + 1, ends_at });
        for seat in 0..self.session.seats.len() {
            if let Some(player) = self.session.seats[seat] {
                self.spawn(player);
            }
        }
    }

    /// A new life, at the place that is farthest from all enemies.
    pub(super) fn spawn(&mut self, number: PlayerNo) {
        let Some(player) = self.session.player(number) else { return };
        let place = self.place_to_live(number, player.team);
        let rules = &self.session.created.rules;
        let mode = &self.session.created.mode;
        let content = self.content;
        let weapons = mode.weapons.iter().filter_map(|weapon| {
            let data = content.weapons.get(usize::from(weapon.0))?;
            let (magazine, reserve) = (data.magazine, data.reserve);
            Some(Carried { weapon: *weapon, rounds: magazine, reserve, magazine })
        });
        let armour = mode.armour.and_then(|armour| content.armours.get(usize::from(armour.0)));
        let actions = mode.actions.iter().filter_map(|action| {
            let data = content.actions.get(usize::from(action.0))?;
            Some(Prepared { action: *action, charges: data.charges })
        });
        let in_hands =
            mode.weapons.first().and_then(|weapon| content.weapons.get(usize::from(weapon.0)));
        let protection = match rules.player.spawn_protection_ms {
            0 => Tick(0),
            ms => self.session.tick.after(rules.ticks(ms)),
        };
        let spawned = Spawned {
            player: number,
            position: place.position,
            look: place.look,
            correction: player.correction + 1,
            weapons: weapons.collect(),
            armour: armour.map_or_else(Worn::default, |armour| Worn {
                points: armour.points,
                absorb_permille: armour.absorb_permille,
                covers_head: armour.covers_head,
            }),
            actions: actions.collect(),
            speed_permille: in_hands.map_or(1_000, |weapon| weapon.speed_permille),
            protected_until: protection,
        };
        self.emit(Event::Spawned(Box::new(spawned)));
    }

    /// Of the map's places for a team, the one whose nearest living enemy is farthest; of equal ones the
    /// first, counted from one that the session's seed and the player's lives choose.
    fn place_to_live(&self, number: PlayerNo, team: TeamNo) -> Spawn {
        let map = &self.content.maps[usize::from(self.session.created.map.0)];
        let fits = |spawn: &&Spawn| spawn.team == TeamNo(0) || spawn.team == team;
        let places: Vec<&Spawn> = map.spawns.iter().filter(fits).collect();
        let places = if places.is_empty() { map.spawns.iter().collect() } else { places };
        let Some(first) = places.first() else {
            let position = map.bounds.min;
            return Spawn { position, look: Default::default(), team };
        };
        let danger = |place: &Spawn| {
            let enemies = self.session.present().filter(|(enemy, player)| {
                player.is_alive() && self.session.are_enemies(number, team, *enemy)
            });
            let nearest =
                enemies.map(|(_, enemy)| enemy.pose.position.minus(place.position).squared());
            nearest.min().unwrap_or(i64::MAX)
        };
        let lives = self.session.player(number).map_or(0, |player| player.stats.lives);
        let start = random::mix(&[self.session.created.seed, u64::from(number.0), u64::from(lives)])
            as usize;
        let mut best = (danger(first), **first);
        let mut chosen = None;
        for step in 0..places.len() {
            let place = places[(start.wrapping_add(step)) % places.len()];
            let here = danger(place);
            if chosen.is_none() || here > best.0 {
                best = (here, *place);
                chosen = Some(step);
            }
        }
        best.1
    }
}
