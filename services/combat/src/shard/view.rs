//! What clients see of a session: the players, and since when each part of each is as it is.
//!
//! A snapshot for a client is whatever has changed since the last one that was made for it. The transport
//! is ordered, so that frame is what the client has, or will have before this one.

use gamemesh_contracts::combat::v1 as pb;

/// All of a player that clients see.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) player_id: String,
    pub(crate) position: [i32; 3],
    pub(crate) yaw: u16,
    pub(crate) pitch: i16,
    pub(crate) pose: &'static str,
    pub(crate) health: i32,
    pub(crate) armor: i32,
    pub(crate) shield: i32,
    pub(crate) alive: bool,
    pub(crate) weapon: String,
    pub(crate) magazine: u32,
    pub(crate) effects: Vec<String>,
    pub(crate) score: i32,
    pub(crate) kills: u32,
    pub(crate) deaths: u32,
    pub(crate) generation: u32,
    pub(crate) team: u32,
}

/// The players of a session by seat.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Counts the updates: the tick stands still while a session waits.
    number: u32,
    tick: u32,
    seats: Vec<Seat>,
    team_scores: Vec<i32>,
    team_scores_since: u32,
}

#[derive(Debug, Default)]
struct Seat {
    /// `None`: nobody sits there any more.
    seen: Option<Seen>,
    /// Somebody came or went.
    presence: u32,
    since: Since,
}

/// The numbers of the pictures in which parts of a player last changed.
#[derive(Debug, Clone, Copy, Default)]
struct Since {
    position: u32,
    aim: u32,
    pose: u32,
    health: u32,
    armor: u32,
    alive: u32,
    weapon: u32,
    magazine: u32,
    effects: u32,
    score: u32,
    team: u32,
}

impl View {
    /// The number of the newest picture.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Takes the players in as they are at a tick; the place in the list is the seat.
    pub(crate) fn update(
        &mut self,
        tick: u32,
        players: impl Iterator<Item = Option<Seen>>,
        team_scores: &[i32],
    ) {
        self.tick = tick;
        self.number += 1;
        let number = self.number;
        for (at, player) in players.enumerate() {
            if at == self.seats.len() {
                self.seats.push(Seat::default());
            }
            self.seats[at].update(number, player);
        }
        if self.team_scores != team_scores {
            self.team_scores = team_scores.to_vec();
            self.team_scores_since = number;
        }
    }

    /// What has changed since a picture; everything if there is none.
    pub(crate) fn since(&self, baseline: Option<u32>) -> pb::Snapshot {
        let mut snapshot = pb::Snapshot {
            tick: self.tick,
            number: self.number,
            baseline,
            ..pb::Snapshot::default()
        };
        for (at, seat) in self.seats.iter().enumerate() {
            match (&seat.seen, baseline) {
                (Some(seen), None) => snapshot.entities.push(seat.entity(at as u32, seen, None)),
                (Some(seen), Some(since)) if seat.changed_after(since) => {
                    // Whoever has come since then is new to the client.
                    let known = (seat.presence <= since).then_some(since);
                    snapshot.entities.push(seat.entity(at as u32, seen, known));
                }
                (None, Some(since)) if seat.presence > since => snapshot.removed.push(at as u32),
                _ => {}
            }
        }
        if baseline.is_none_or(|since| self.team_scores_since > since) {
            snapshot.team_scores.clone_from(&self.team_scores);
        }
        snapshot
    }
}

impl Seat {
    fn update(&mut self, number: u32, player: Option<Seen>) {
        match (&self.seen, &player) {
            (Some(old), Some(new)) => self.since.compare(number, old, new),
            (None, None) => return,
            _ => self.presence = number,
        }
        self.seen = player;
    }

    fn changed_after(&self, number: u32) -> bool {
        let s = &self.since;
        let newest = [
            self.presence,
            s.position,
            s.aim,
            s.pose,
            s.health,
            s.armor,
            s.alive,
            s.weapon,
            s.magazine,
            s.effects,
            s.score,
            s.team,
        ];
        newest.into_iter().any(|since| since > number)
    }

    fn entity(&self, seat: u32, seen: &Seen, baseline: Option<u32>) -> pb::Entity {
        let s = &self.since;
        let new = |since: u32| baseline.is_none_or(|baseline| since > baseline);
        let [x, y, z] = seen.position;
        pb::Entity {
            seat,
            position: new(s.position).then_some(pb::Vector { x, y, z }),
            yaw: new(s.aim).then_some(seen.yaw.into()),
            pitch: new(s.aim).then_some(seen.pitch.into()),
            pose: new(s.pose).then(|| seen.pose.to_owned()),
            health: new(s.health).then_some(seen.health),
            armor: new(s.armor).then_some(seen.armor),
            shield: new(s.armor).then_some(seen.shield),
            alive: new(s.alive).then_some(seen.alive),
            weapon: new(s.weapon).then(|| seen.weapon.clone()),
            magazine: new(s.magazine).then_some(seen.magazine),
            effects: new(s.effects).then(|| pb::EffectList { names: seen.effects.clone() }),
            score: new(s.score).then_some(seen.score),
            kills: new(s.score).then_some(seen.kills),
            deaths: new(s.score).then_some(seen.deaths),
            generation: new(s.alive).then_some(seen.generation),
            team: new(s.team).then_some(seen.team),
            player_id: if baseline.is_none() { seen.player_id.clone() } else { String::new() },
        }
    }
}

impl Since {
    fn compare(&mut self, number: u32, old: &Seen, new: &Seen) {
        let note = |since: &mut u32, same: bool| {
            if !same {
                *since = number;
            }
        };
        note(&mut self.position, old.position == new.position);
        note(&mut self.aim, (old.yaw, old.pitch) == (new.yaw, new.pitch));
        note(&mut self.pose, old.pose == new.pose);
        note(&mut self.health, old.health == new.health);
        note(&mut self.armor, (old.armor, old.shield) == (new.armor, new.shield));
        note(&mut self.alive, (old.alive, old.generation) == (new.alive, new.generation));
        note(&mut self.weapon, old.weapon == new.weapon);
        note(&mut self.magazine, old.magazine == new.magazine);
        note(&mut self.effects, old.effects == new.effects);
        let score = |seen: &Seen| (seen.score, seen.kills, seen.deaths);
        note(&mut self.score, score(old) == score(new));
        note(&mut self.team, old.team == new.team);
    }
}

#[cfg(test)]
mod tests;
