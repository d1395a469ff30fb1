//! How a player has been moving: what M1 to M5 have to remember, and the numbers of the next step.

use super::clock::{ClientClock, ClockSample};
use crate::combat::command::Move;
use crate::combat::content::{MovementRules, VerticalRules};
use crate::combat::fixed::Vec3;
use crate::combat::wire::wire_struct;

/// Micro-quanta per quantum: speeds in quanta/s times microseconds give them without a division.
const MICRO: i64 = 1_000_000;

/// The suspicion a player can gather, thousandths; and by what part it falls each second, 1/30.
const SUSPICION_MAX_MILLI: u32 = 1_000_000;
const SUSPICION_FALL: u32 = 30;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Motion {
    pub clock: ClientClock,
    /// Client time of the last accepted position; none after a spawn, teleport or correction.
    pub moved_us: Option<u64>,
    /// M7: client time of the newest move that was looked at, 0 before the first.
    pub newest_us: u64,
    /// M2: how much of the burst is spent, in micro-quanta.
    pub burst_spent_uq: i64,
    /// Velocity of the last step, quanta/s.
    pub velocity: Vec3,
    /// M3: client time since something carried the feet, and how high that was.
    pub air_us: u32,
    pub takeoff_z: i32,
    /// The fastest that the player may go, without the hold.
    pub speed_q_per_s: u32,
    /// A higher speed that still counts …
    pub held_q_per_s: u32,
    /// … until this arrival time.
    pub held_until_us: u64,
    /// What M4 and refused moves have added up to; falls by a 30th each second.
    pub suspicion_milli: u32,
    pub suspicion_at_us: u64,
}

wire_struct!(Motion {
    clock,
    moved_us,
    newest_us,
    burst_spent_uq,
    velocity,
    air_us,
    takeoff_z,
    speed_q_per_s,
    held_q_per_s,
    held_until_us,
    suspicion_milli,
    suspicion_at_us,
});

/// The numbers of a step from where a player is to where he says that he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub clock: ClockSample,
    /// M7: not newer than the newest, or too late.
    pub is_stale: bool,
    /// Client time that the step can account for.
    pub time_us: i64,
    pub speed_max_q_per_s: u32,
    pub distance_q: i64,
    /// M2: allowed without the burst, and what is left of the burst at its start; micro-quanta.
    pub free_uq: i64,
    pub burst_left_uq: i64,
    pub velocity: Vec3,
    pub acceleration_q_per_s2: i64,
    pub air_us: u32,
    pub rise_q: i32,
    pub rise_max_q: i32,
    pub fall_max_q: i32,
}

impl Motion {
    /// What the player may reach at most at an arrival time.
    pub const fn speed_max(&self, at_us: u64) -> u32 {
        if at_us < self.held_until_us && self.held_q_per_s > self.speed_q_per_s {
            self.held_q_per_s
        } else {
            self.speed_q_per_s
        }
    }

    /// The numbers of a step, without judging them.
    pub fn measure(&self, rules: &MovementRules, from: Vec3, input: &Move, at_us: u64) -> Step {
        let clock = self.clock.measure(rules, input.client_us, at_us);
        let time_us = match self.moved_us {
            Some(moved_us) => {
                let passed = input.client_us.saturating_sub(moved_us);
                passed.min(u64::from(rules.step_max_us)) as i64
            }
            // When the client applied a correction is unknown, but later than what it answered.
            None => {
                let passed = input.client_us.saturating_sub(self.newest_us);
                passed.min(u64::from(rules.stall_credit_us)) as i64
            }
        };
        let way = input.position.minus(from);
        let speed = self.speed_max(at_us);
        let at_speed_uq = i64::from(speed) * time_us;
        let tolerance_uq = at_speed_uq / 1_000 * i64::from(rules.tolerance_permille);
        let burst_uq = i64::from(speed) * i64::from(rules.burst_us);
        let spent_uq = (self.burst_spent_uq - tolerance_uq).max(0);
        let velocity = velocity(way, time_us);
        let change = velocity.minus(self.velocity);
        let vertical = rules.vertical.as_ref();
        let air_us = self.air_us.saturating_add(time_us as u32);
        Step {
            is_stale: clock.too_late || input.client_us <= self.newest_us,
            clock,
            time_us,
            speed_max_q_per_s: speed,
            distance_q: way.ground_length_q(),
            free_uq: at_speed_uq + tolerance_uq + i64::from(rules.rounding_q) * MICRO,
            burst_left_uq: (burst_uq - spent_uq).max(0),
            velocity,
            acceleration_q_per_s2: match self.moved_us {
                Some(_) if time_us > 0 => change.ground_length_q() * MICRO / time_us,
                _ => 0,
            },
            air_us,
            rise_q: input.position.z.saturating_sub(self.takeoff_z),
            rise_max_q: vertical.map_or(i32::MAX, |rules| rise_max(rules, i64::from(air_us))),
            fall_max_q: vertical.map_or(i32::MAX, |rules| {
                let fall = i64::from(rules.fall_q_per_s) * time_us / MICRO;
                fall as i32 + rules.step_q as i32
            }),
        }
    }

    /// Takes the step.
    pub(super) fn accept(
        &mut self,
        rules: &MovementRules,
        step: &Step,
        input: &Move,
        grounded: bool,
        at_us: u64,
    ) {
        self.clock.observe(rules, input.client_us, at_us);
        self.moved_us = Some(input.client_us);
        self.newest_us = input.client_us;
        let burst_uq = i64::from(step.speed_max_q_per_s) * i64::from(rules.burst_us);
        let over_uq = (step.distance_q * MICRO - step.free_uq).max(0);
        self.burst_spent_uq = burst_uq - step.burst_left_uq + over_uq;
        self.velocity = step.velocity;
        if grounded {
            self.air_us = 0;
            self.takeoff_z = input.position.z;
        } else {
            self.air_us = step.air_us;
        }
        self.suspect(step.suspicion_milli(rules), at_us);
    }

    /// A move is refused. Its time is taken, as far as the client may be ahead.
    pub(super) fn refuse(&mut self, rules: &MovementRules, client_us: u64, at_us: u64) {
        self.clock.confiscate(rules, client_us, at_us);
        self.newest_us = client_us;
    }

    /// Another connection: its clock is another one.
    pub(super) fn reconnect(&mut self) {
        self.clock = ClientClock::default();
        self.moved_us = None;
        self.newest_us = 0;
    }

    /// The player is somewhere else, by the game's will or a correction's.
    pub(super) fn place(&mut self, position: Vec3) {
        self.moved_us = None;
        self.velocity = Vec3::ZERO;
        self.air_us = 0;
        self.takeoff_z = position.z;
    }

    /// The fastest that the player may go has changed. A higher one counts a while longer.
    pub(super) fn set_speed(&mut self, rules: &MovementRules, speed_q_per_s: u32, at_us: u64) {
        let before = self.speed_max(at_us);
        if speed_q_per_s < before {
            self.held_q_per_s = before;
            self.held_until_us = at_us + u64::from(rules.speed_hold_us);
        }
        self.speed_q_per_s = speed_q_per_s;
    }

    /// The suspicion at an arrival time.
    pub fn suspicion(&self, at_us: u64) -> u32 {
        let seconds = at_us.saturating_sub(self.suspicion_at_us) / 1_000_000;
        let fall = |milli: u32, _| milli - milli.div_ceil(SUSPICION_FALL);
        (0..seconds.min(1_000)).fold(self.suspicion_milli, fall)
    }

    pub(super) fn suspect(&mut self, milli: u32, at_us: u64) {
        if milli == 0 {
            return;
        }
        self.suspicion_milli = self.suspicion(at_us).saturating_add(milli).min(SUSPICION_MAX_MILLI);
        self.suspicion_at_us = at_us;
    }
}

impl Step {
    /// M2: the longest way that the time and what is left of the burst allow.
    pub const fn distance_max_q(&self) -> i64 {
        (self.free_uq + self.burst_left_uq) / MICRO
    }

    /// M5: beyond this it is no running, but a jump.
    pub fn teleport_q(&self, rules: &MovementRules) -> i64 {
        let speed = i64::from(self.speed_max_q_per_s);
        let fixed = speed * i64::from(rules.teleport_us) / MICRO;
        let own = speed * self.time_us / MICRO * i64::from(rules.teleport_factor);
        fixed.max(own)
    }

    /// M4: what the acceleration adds, one point for each whole multiple of what is usual.
    pub fn suspicion_milli(&self, rules: &MovementRules) -> u32 {
        let usual = i64::from(rules.acceleration_q_per_s2).max(1);
        ((self.acceleration_q_per_s2 / usual).min(10) * 10) as u32
    }
}

/// How high the feet can be after a time in the air. Later than the top, the parabola is granted the
/// slack of the rules.
fn rise_max(rules: &VerticalRules, air_us: i64) -> i32 {
    let (jump, gravity) = (i64::from(rules.jump_q_per_s), i64::from(rules.gravity_q_per_s2).max(1));
    let fall = i64::from(rules.fall_q_per_s);
    let top_us = jump * MICRO / gravity;
    // From here on it falls no faster.
    let steady_us = (jump + fall) * MICRO / gravity;
    let slack_us = i64::from(rules.air_slack_us);
    let at_us = if air_us <= top_us { air_us } else { (air_us - slack_us).max(top_us) };
    let (curve_us, line_us) = (at_us.min(steady_us), (at_us - steady_us).max(0));
    let up = i128::from(jump) * i128::from(curve_us) / i128::from(MICRO);
    let square = i128::from(curve_us) * i128::from(curve_us);
    let down = i128::from(gravity) * square / (2 * i128::from(MICRO) * i128::from(MICRO));
    let steady = i128::from(fall) * i128::from(line_us) / i128::from(MICRO);
    let rise = up - down - steady + i128::from(rules.step_q);
    rise.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i32
}

fn velocity(way: Vec3, time_us: i64) -> Vec3 {
    if time_us <= 0 {
        return Vec3::ZERO;
    }
    let part = |way: i32| {
        let speed = i64::from(way) * MICRO / time_us;
        speed.clamp(-(1 << 24), 1 << 24) as i32
    };
    Vec3::new(part(way.x), part(way.y), part(way.z))
}
