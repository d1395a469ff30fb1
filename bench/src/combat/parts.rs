//! What players do while something is measured.

use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::client_frame::Message as Said;

use super::player::Player;

const UNITS_PER_M: f64 = 1_024.0;
/// Height of the eye of one who stands, and of what is aimed at, in 1/1,024 m.
const EYE: i32 = 1_690;
const MIDDLE: i32 = 1_200;

/// A walk in a circle: 2 m/s, well below what a player may run.
const CIRCLE_RADIUS_M: f64 = 2.0;
const CIRCLE_RAD_PER_S: f64 = 1.0;

/// Players act at so many different moments of their period.
const SPREAD: u32 = 97;

/// The weapon of the measurement fires once in 50 ms; a shot that comes too early is refused.
const SHOT_PERIOD: Duration = Duration::from_millis(52);

/// What a measurement has counted of one player or of several.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) sent: u64,
    /// Shots that hurt somebody.
    pub(super) hits: u64,
    /// The last verdict that was no hit.
    pub(super) reason: String,
    pub(super) corrections: u64,
    pub(super) frames: u64,
    /// From when a command was due to its answer.
    pub(super) latencies_us: Vec<u64>,
}

impl Told {
    pub(super) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.hits += other.hits;
        if !other.reason.is_empty() {
            self.reason = other.reason;
        }
        self.corrections += other.corrections;
        self.frames += other.frames;
        self.latencies_us.extend(other.latencies_us);
    }

    /// In milliseconds.
    pub(super) fn p99_ms(&mut self) -> f64 {
        self.latencies_us.sort_unstable();
        let at = self.latencies_us.len() * 99 / 100;
        self.latencies_us.get(at).map_or(f64::NAN, |us| *us as f64 / 1_000.0)
    }
}

/// What a player does, and when.
pub(super) trait Part: Send + 'static {
    /// Acts from now on; `hz`: so often, where that is not his own affair.
    fn begin(&mut self, player: &Player, now: Instant, hz: Option<f64>);
    /// When there is something to do; `None`: not before something has been heard.
    fn due(&self) -> Option<Instant>;
    /// What is to be said now.
    fn act(&mut self, player: &Player, now: Instant, out: &mut Vec<Said>);
    fn heard(&mut self, frame: &pb::ServerFrame, now: Instant);
    /// What has been counted since the last time.
    fn told(&mut self) -> Told;
}

/// Walks in a circle. One who asks has every so many-th of his moves followed by a command that is
/// answered: the session's owner takes a player's commands in their order, so the answer proves that the
/// move has been judged.
pub(super) struct Walker {
    period: Duration,
    number: u32,
    asks_every: u64,
    /// The next move, and when and where the walk began.
    due: Option<Instant>,
    began: Instant,
    centre: pb::Vector,
    moves: u64,
    /// The frame that asks after a move, and when that was due.
    asked: Option<(u32, Instant)>,
    told: Told,
}

impl Walker {
    /// `number` spreads players over the period; `asks_every` 0: never.
    pub(super) fn new(hz: f64, number: u32, asks_every: u64) -> Self {
        Self {
            period: Duration::from_secs_f64(1.0 / hz),
            number,
            asks_every,
            due: None,
            began: Instant::now(),
            centre: pb::Vector::default(),
            moves: 0,
            asked: None,
            told: Told::default(),
        }
    }
}

impl Part for Walker {
    fn begin(&mut self, player: &Player, now: Instant, _: Option<f64>) {
        let spread = self.period * (self.number % SPREAD) / SPREAD;
        if self.due.is_none() {
            self.centre = player.place.unwrap_or_default();
            self.began = now + spread;
        }
        self.due = Some(now + spread);
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn act(&mut self, player: &Player, now: Instant, out: &mut Vec<Said>) {
        let Some(due) = self.due.filter(|due| *due <= now) else { return };
        self.due = Some(due + self.period);
        self.moves += 1;
        self.told.sent += 1;
        // Where he is at the moment at which he says so.
        let angle = now.saturating_duration_since(self.began).as_secs_f64() * CIRCLE_RAD_PER_S;
        let radius = CIRCLE_RADIUS_M * UNITS_PER_M;
        let position = pb::Vector {
            x: self.centre.x + (radius * angle.sin()) as i32,
            y: self.centre.y + (radius * (1.0 - angle.cos())) as i32,
            z: self.centre.z,
        };
        let asks = self.asks_every > 0 && self.moves.is_multiple_of(self.asks_every);
        if asks && self.asked.is_none() {
            self.asked = Some((player.next_frame() + 1, due));
            out.push(player.go(position, (turn(angle), 0)));
            out.push(Said::Equip(pb::Equip { weapon: "rifle".to_owned(), ack: 0 }));
        } else {
            out.push(player.go(position, (turn(angle), 0)));
        }
    }

    fn heard(&mut self, frame: &pb::ServerFrame, now: Instant) {
        self.told.frames += 1;
        self.told.corrections += u64::from(frame.correction.is_some());
        if let Some((asked, due)) = self.asked
            && frame.results.iter().any(|result| result.seq == asked)
        {
            self.told.latencies_us.push(now.saturating_duration_since(due).as_micros() as u64);
            self.asked = None;
        }
    }

    fn told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }
}

/// Stands, looks at the player farthest away, and shoots at him.
pub(super) struct Shooter {
    number: u32,
    period: Duration,
    /// The next shot waits for the answer to the one before.
    in_turn: bool,
    aim: Option<(u32, i32)>,
    due: Option<Instant>,
    shots: u64,
    /// Shots without an answer: their frames, and when they were due.
    under_way: Vec<(u32, Instant)>,
    told: Told,
}

impl Shooter {
    /// As fast as he is answered, and as his weapon fires.
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            period: SHOT_PERIOD,
            in_turn: true,
            aim: None,
            due: None,
            shots: 0,
            under_way: Vec::new(),
            told: Told::default(),
        }
    }
}

impl Part for Shooter {
    fn begin(&mut self, player: &Player, now: Instant, hz: Option<f64>) {
        self.in_turn = hz.is_none();
        self.period = hz.map_or(SHOT_PERIOD, |hz| Duration::from_secs_f64(1.0 / hz));
        self.due = Some(now + self.period * (self.number % SPREAD) / SPREAD);
        let aimed = |from: pb::Vector| aim(from, player.others());
        self.aim = self.aim.or_else(|| player.place.and_then(aimed));
    }

    fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.in_turn || self.under_way.is_empty())
    }

    fn act(&mut self, player: &Player, now: Instant, out: &mut Vec<Said>) {
        let Some(due) = self.due.filter(|due| *due <= now) else { return };
        let due = if self.in_turn { now } else { due };
        self.due = Some(due + self.period);
        let (Some(place), Some(aim)) = (player.place, self.aim) else { return };
        if self.shots == 0 {
            // Shots point where the last move has looked.
            out.push(player.go(place, aim));
        }
        self.under_way.push((player.next_frame() + out.len() as u32, due));
        self.shots += 1;
        self.told.sent += 1;
        out.push(player.shoot(self.shots, aim));
    }

    fn heard(&mut self, frame: &pb::ServerFrame, now: Instant) {
        self.told.frames += 1;
        for result in &frame.results {
            let Some(at) = self.under_way.iter().position(|(seq, _)| *seq == result.seq) else {
                continue;
            };
            let (_, due) = self.under_way.swap_remove(at);
            self.told.latencies_us.push(now.saturating_duration_since(due).as_micros() as u64);
            let verdict = result.verdict.as_ref();
            if verdict.is_some_and(|verdict| verdict.hit.is_some()) {
                self.told.hits += 1;
            } else if let Some(verdict) = verdict {
                self.told.reason.clone_from(&verdict.reason);
            }
        }
    }

    fn told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }
}

fn turn(angle: f64) -> u32 {
    (angle / TAU * 65_536.0).round().rem_euclid(65_536.0) as u32 % 65_536
}

/// From a place to the farthest of others.
fn aim<'a>(from: pb::Vector, others: impl Iterator<Item = &'a pb::Vector>) -> Option<(u32, i32)> {
    let ways = others.map(|to| {
        let flat = [to.x - from.x, to.y - from.y].map(f64::from);
        (flat[0], flat[1], f64::from(to.z + MIDDLE - from.z - EYE))
    });
    let (x, y, z) = ways.max_by(|a, b| a.0.hypot(a.1).total_cmp(&b.0.hypot(b.1)))?;
    let pitch = (z.atan2(x.hypot(y)) / TAU * 65_536.0).round() as i32;
    Some((turn(y.atan2(x)), pitch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shot_points_at_the_farthest() {
        let place = |x, y| pb::Vector { x, y, z: EYE - MIDDLE };
        let from = pb::Vector::default();
        assert_eq!(aim(from, [place(10, 0), place(0, 20)].iter()), Some((16_384, 0)));
        assert_eq!(aim(from, [place(-10, 0)].iter()), Some((32_768, 0)));
        assert_eq!(aim(from, [].iter()), None);
    }

    #[test]
    fn the_ninety_ninth_of_a_hundred() {
        let mut told = Told { latencies_us: (1..=200).rev().collect(), ..Told::default() };
        assert!((told.p99_ms() - 0.199).abs() < 1e-9);
    }
}
