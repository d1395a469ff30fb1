//! The bounds of rules. They keep the arithmetic of a fold from overflowing, so a fold checks them too.

use super::limits::{DURATION_MS_MAX, POINTS_MAX};
use super::report::Report;
use crate::Result;
use crate::combat::content::{Rules, SpectateRules};

/// 2 km/s, in quanta.
const SPEED_MAX_Q_PER_S: u32 = 1 << 21;

impl Rules {
    /// Whether every number is in its bounds.
    pub fn check(&self) -> Result<()> {
        let mut report = Report::default();
        self.report(&mut report);
        report.finish()
    }

    pub(super) fn report(&self, report: &mut Report) {
        let Self { tick_hz, movement, rewind, damage, player, spectate } = self;
        report.within("rules.tick_hz", *tick_hz, Self::TICK_HZ_MIN, Self::TICK_HZ_MAX);
        for (field, value, min, max) in [
            ("movement.speed_q_per_s", movement.speed_q_per_s, 0, SPEED_MAX_Q_PER_S),
            ("movement.tolerance_permille", movement.tolerance_permille, 0, 1_000),
            ("movement.rounding_q", movement.rounding_q, 0, 1_024),
            ("movement.burst_us", movement.burst_us, 0, 2_000_000),
            ("movement.speed_hold_us", movement.speed_hold_us, 0, 10_000_000),
            ("movement.clock_drift_ppm", movement.clock_drift_ppm, 0, 100_000),
            ("movement.clock_slack_us", movement.clock_slack_us, 0, 10_000_000),
            ("movement.jitter_max_us", movement.jitter_max_us, 0, 10_000_000),
            ("movement.jitter_min_us", movement.jitter_min_us, 0, movement.jitter_max_us),
            ("movement.stale_us", movement.stale_us, 100_000, 10_000_000),
            ("movement.stall_credit_us", movement.stall_credit_us, 0, movement.stale_us),
            ("movement.step_max_us", movement.step_max_us, 100_000, 2_000_000),
            ("movement.acceleration_q_per_s2", movement.acceleration_q_per_s2, 1, 1 << 24),
            ("movement.teleport_us", movement.teleport_us, 0, 10_000_000),
            ("movement.teleport_factor", movement.teleport_factor, 1, 100),
            ("movement.turn_per_s", movement.turn_per_s, 0, 1 << 24),
            ("rewind.rewind_max_ms", rewind.rewind_max_ms, 0, 500),
            ("rewind.interpolation_max_ms", rewind.interpolation_max_ms, 0, 500),
            ("rewind.shot_age_max_ms", rewind.shot_age_max_ms, 100, 10_000),
            ("damage.rate_slack_us", damage.rate_slack_us, 0, 1_000_000),
            ("damage.aim_slack", damage.aim_slack, 0, 32_768),
            ("damage.hull_slack_permille", damage.hull_slack_permille, 0, 1_000),
            ("damage.trade_ms", damage.trade_ms, 0, 1_000),
            ("damage.assist_damage_min", damage.assist_damage_min, 0, POINTS_MAX),
            ("damage.assist_ms", damage.assist_ms, 0, DURATION_MS_MAX),
            ("player.health_max", player.health_max, 1, POINTS_MAX),
            ("player.energy_max", player.energy_max, 0, POINTS_MAX),
            ("player.energy_per_s", player.energy_per_s, 0, POINTS_MAX),
            ("player.spawn_protection_ms", player.spawn_protection_ms, 0, 60_000),
            ("spectate.spectators_max", spectate.spectators_max, 0, 1_000_000),
        ] {
            report.within(format!("rules.{field}"), value, min, max);
        }
        if let Some(vertical) = &movement.vertical {
            for (field, value, min, max) in [
                ("jump_q_per_s", vertical.jump_q_per_s, 0, SPEED_MAX_Q_PER_S),
                ("gravity_q_per_s2", vertical.gravity_q_per_s2, 1, 1 << 24),
                ("fall_q_per_s", vertical.fall_q_per_s, 1, SPEED_MAX_Q_PER_S),
                ("step_q", vertical.step_q, 0, 1 << 20),
                ("air_slack_us", vertical.air_slack_us, 0, 10_000_000),
            ] {
                report.within(format!("rules.movement.vertical.{field}"), value, min, max);
            }
        }
        if !SpectateRules::DELAYS_S.contains(&spectate.delay_s) {
            let what = format!("accepts 0, 10, 30, 60 or 120, found {}", spectate.delay_s);
            report.problem("rules.spectate.delay_s", what);
        }
    }
}
