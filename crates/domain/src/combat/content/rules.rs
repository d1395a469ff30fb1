//! Rules: the numbers behind every check, with their defaults and where these come from.

use crate::combat::verdict::{Reason, Verdict};
use crate::combat::wire::wire_struct;

/// A session keeps its rules in its first event, so a fold needs no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Ticks per second: 10 to 128.
    pub tick_hz: u32,
    pub movement: MovementRules,
    pub rewind: RewindRules,
    pub damage: DamageRules,
    pub player: PlayerRules,
    pub spectate: SpectateRules,
}

wire_struct!(Rules { tick_hz, movement, rewind, damage, player, spectate });

/// Movement is judged in time and in space apart. Comparing distances with *arrival* times flags most
/// honest players on a jittery line, so space is compared with the client's clock, and the client's
/// clock with ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementRules {
    /// Fastest way over the ground, before weapon and effects. 7 m/s.
    pub speed_q_per_s: u32,
    /// M2: tolerance upon each distance. 20.
    pub tolerance_permille: u32,
    /// M2: rounding of each reported position. 2.
    pub rounding_q: u32,
    /// M2: what may be walked too much before it is refused, as time at full speed; comes back at the
    /// tolerance's rate. 250 ms: the most that 121,993 s of real play need is 207 ms, and a step of more than
    /// 250 ms is a teleport anyhow.
    pub burst_us: u32,
    /// How long a speed that has been lost still counts, because the message that took it was on its
    /// way. 500 ms.
    pub speed_hold_us: u32,
    /// M1: part of the arrival time that is forgiven, for clocks that run too fast. 2,000.
    pub clock_drift_ppm: u32,
    /// M1: slack beside the measured jitter. 100 ms.
    pub clock_slack_us: u32,
    /// M1: the jitter counts for at least this, 20 ms, …
    pub jitter_min_us: u32,
    /// … and for at most this, 900 ms, whatever a client makes us measure. It is also what counts
    /// before a client has been measured for a window.
    pub jitter_max_us: u32,
    /// M7: a move that comes so much later than the quickest is dropped. 1 s.
    pub stale_us: u32,
    /// M7: after a silence longer than `stale_us`, only the moves of so little before the end of the
    /// stall count. 250 ms.
    pub stall_credit_us: u32,
    /// The most client time that one step can account for. 2 s.
    pub step_max_us: u32,
    /// M4: acceleration beyond which a step adds to the suspicion. 60 m/s² (people stop and turn at
    /// about 35, strafing with friction included).
    pub acceleration_q_per_s2: u32,
    /// M5: a step is a teleport beyond this time at full speed, and … 250 ms.
    pub teleport_us: u32,
    /// M5: … beyond this multiple of the step's own allowance. 3.
    pub teleport_factor: u32,
    /// M3; none for games in which players fly.
    pub vertical: Option<VerticalRules>,
    /// How fast a player may turn between his last position and a shot, angle units per second. 5 turns a
    /// second: half a turn in 200 ms, at its fastest moment, by the law of minimum jerk.
    pub turn_per_s: u32,
}

wire_struct!(MovementRules {
    speed_q_per_s,
    tolerance_permille,
    rounding_q,
    burst_us,
    speed_hold_us,
    clock_drift_ppm,
    clock_slack_us,
    jitter_min_us,
    jitter_max_us,
    stale_us,
    stall_credit_us,
    step_max_us,
    acceleration_q_per_s2,
    teleport_us,
    teleport_factor,
    vertical,
    turn_per_s,
});

/// M3: a body in the air follows a parabola: after `t` it is at most `jump·t − gravity·t²/2 + step`
/// above where it left the ground, and never falls faster than `fall`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerticalRules {
    /// 5.2 m/s: a jump of 1.38 m.
    pub jump_q_per_s: u32,
    /// 9.81 m/s².
    pub gravity_q_per_s2: u32,
    /// 55 m/s.
    pub fall_q_per_s: u32,
    /// The highest stair. 0.5 m.
    pub step_q: u32,
    /// How much later than the parabola says a body may come down. 150 ms.
    pub air_slack_us: u32,
}

wire_struct!(VerticalRules { jump_q_per_s, gravity_q_per_s2, fall_q_per_s, step_q, air_slack_us });

/// How far back the world is taken for a shot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewindRules {
    /// The furthest that targets are rewound. 250 ms (Overwatch; GDC 2017); at most 500.
    pub rewind_max_ms: u32,
    /// How far behind the newest frame a client may draw. 100 ms: three frames at 30 Hz.
    pub interpolation_max_ms: u32,
    /// A shot that was fired so long before it arrived is not looked at. 1 s.
    pub shot_age_max_ms: u32,
}

wire_struct!(RewindRules { rewind_max_ms, interpolation_max_ms, shot_age_max_ms });

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamageRules {
    /// D3: how much too early a shot may come, on the client's clock. One tick of 30 Hz: 33 ms.
    pub rate_slack_us: u32,
    /// D6: rounding of directions: 0.2°.
    pub aim_slack: u32,
    /// D7: the tolerance upon a hit volume is `rounding + ½ · relative speed · tick`, at most this
    /// share of the hull's radius. 1/8 as in Source's 4 of 32 units.
    pub hull_slack_permille: u32,
    /// Whether a shot counts that was fired before the shooter can have known of his death: two players
    /// can then kill each other, whichever shot arrives first.
    pub trades: bool,
    /// How long after his death such a shot may arrive. 250 ms.
    pub trade_ms: u32,
    /// Damage that makes an assist. 30.
    pub assist_damage_min: u32,
    /// How old it may be at the death. 10 s.
    pub assist_ms: u32,
}

wire_struct!(DamageRules {
    rate_slack_us,
    aim_slack,
    hull_slack_permille,
    trades,
    trade_ms,
    assist_damage_min,
    assist_ms,
});

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerRules {
    pub health_max: u32,
    pub energy_max: u32,
    pub energy_per_s: u32,
    /// How long nobody can be hurt after a spawn.
    pub spawn_protection_ms: u32,
}

wire_struct!(PlayerRules { health_max, energy_max, energy_per_s, spawn_protection_ms });

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpectateRules {
    pub allowed: bool,
    /// 0, 10, 30, 60 or 120.
    pub delay_s: u32,
    pub spectators_max: u32,
}

wire_struct!(SpectateRules { allowed, delay_s, spectators_max });

impl Rules {
    pub const TICK_HZ_MIN: u32 = 10;
    pub const TICK_HZ_MAX: u32 = 128;

    /// Ticks that `ms` last, rounded up: nothing is ready too early.
    pub const fn ticks(&self, ms: u32) -> u32 {
        (ms as u64 * self.tick_hz as u64).div_ceil(1_000) as u32
    }

    /// The length of a tick, microseconds, rounded up.
    pub const fn tick_us(&self) -> u32 {
        1_000_000_u32.div_ceil(self.tick_hz)
    }

    /// Rows of history that a rewind can need: the most that is rewound, the row before it, and the
    /// one that is being made.
    pub const fn history_rows(&self) -> usize {
        self.ticks(self.rewind.rewind_max_ms) as usize + 2
    }
}

impl SpectateRules {
    pub const DELAYS_S: [u32; 5] = [0, 10, 30, 60, 120];

    /// Whether one more may watch.
    pub const fn admit(&self, spectators: u32) -> Verdict {
        if !self.allowed {
            Verdict::of(Reason::SpectatorsRefused)
        } else if spectators >= self.spectators_max {
            Verdict::of(Reason::SessionFull)
        } else {
            Verdict::of(Reason::Accepted)
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            tick_hz: 30,
            movement: MovementRules::default(),
            rewind: RewindRules {
                rewind_max_ms: 250,
                interpolation_max_ms: 100,
                shot_age_max_ms: 1_000,
            },
            damage: DamageRules {
                rate_slack_us: 33_334,
                aim_slack: 37,
                hull_slack_permille: 125,
                trades: true,
                trade_ms: 250,
                assist_damage_min: 30,
                assist_ms: 10_000,
            },
            player: PlayerRules {
                health_max: 100,
                energy_max: 100,
                energy_per_s: 10,
                spawn_protection_ms: 0,
            },
            spectate: SpectateRules { allowed: true, delay_s: 0, spectators_max: 1_000 },
        }
    }
}

impl Default for MovementRules {
    fn default() -> Self {
        Self {
            speed_q_per_s: 7 * 1024,
            tolerance_permille: 20,
            rounding_q: 2,
            burst_us: 250_000,
            speed_hold_us: 500_000,
            clock_drift_ppm: 2_000,
            clock_slack_us: 100_000,
            jitter_min_us: 20_000,
            jitter_max_us: 900_000,
            stale_us: 1_000_000,
            stall_credit_us: 250_000,
            step_max_us: 2_000_000,
            acceleration_q_per_s2: 60 * 1024,
            teleport_us: 250_000,
            teleport_factor: 3,
            vertical: Some(VerticalRules::default()),
            turn_per_s: 5 * 65_536,
        }
    }
}

impl Default for VerticalRules {
    fn default() -> Self {
        Self {
            jump_q_per_s: 5_325,
            gravity_q_per_s2: 10_045,
            fall_q_per_s: 55 * 1024,
            step_q: 512,
            air_slack_us: 150_000,
        }
    }
}
