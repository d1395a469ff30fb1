//! Actions and effects.

use super::limits::{DURATION_MS_MAX, EFFECTS_EACH_MAX, FACTOR_PERMILLE_MAX, POINTS_MAX};
use super::report::Report;
use super::{endless, report_ids};
use crate::combat::content::{Content, Effect, EffectKind, Stacking};
use crate::combat::fixed::WORLD_ABS_MAX_Q;

/// The shortest period of what happens again and again: 10 per second.
const PERIOD_MS_MIN: u32 = 100;

impl Content {
    pub(super) fn report_effects(&self, report: &mut Report) {
        let names = self.effects.iter().map(|effect| (&*effect.id, &*effect.name));
        report_ids(report, "effects", names);
        for (index, effect) in self.effects.iter().enumerate() {
            let at = format!("effects[{index}]");
            report.within(format!("{at}.duration_ms"), effect.duration_ms, 0, DURATION_MS_MAX);
            report_kind(report, &at, effect);
            if let Stacking::Stack { max } = effect.stacking {
                report.within(format!("{at}.stacking.max"), max, 1, 32);
            }
            if let Some(then) = effect.then {
                report.reference(format!("{at}.then"), "effects", then.0, self.effects.len());
            }
            let then = |at: usize| {
                let then = self.effects.get(at)?.then?;
                Some(usize::from(then.0))
            };
            report_chain(report, &at, endless(index, then), |at| {
                self.effects.get(at).map(|effect| &*effect.id)
            });
        }
    }

    pub(super) fn report_actions(&self, report: &mut Report) {
        let names = self.actions.iter().map(|action| (&*action.id, &*action.name));
        report_ids(report, "actions", names);
        for (index, action) in self.actions.iter().enumerate() {
            let at = format!("actions[{index}]");
            report.within(format!("{at}.cooldown_ms"), action.cooldown_ms, 0, DURATION_MS_MAX);
            report.within(format!("{at}.charges"), action.charges, 1, 100);
            report.within(format!("{at}.energy_cost"), action.energy_cost, 0, POINTS_MAX);
            report.within(format!("{at}.health_cost"), action.health_cost, 0, POINTS_MAX);
            report.within(format!("{at}.cast_ms"), action.cast_ms, 0, DURATION_MS_MAX);
            report.within(format!("{at}.range_q"), action.range_q, 0, WORLD_ABS_MAX_Q);
            report.count(&format!("{at}.effects"), action.effects.len(), 0, EFFECTS_EACH_MAX);
            for (index, effect) in action.effects.iter().enumerate() {
                let at = format!("{at}.effects[{index}]");
                report.reference(at, "effects", effect.0, self.effects.len());
            }
            if let Some(then) = action.then {
                report.reference(format!("{at}.then"), "actions", then.0, self.actions.len());
            }
            let then = |at: usize| {
                let then = self.actions.get(at)?.then?;
                Some(usize::from(then.0))
            };
            report_chain(report, &at, endless(index, then), |at| {
                self.actions.get(at).map(|action| &*action.id)
            });
        }
    }
}

fn report_kind(report: &mut Report, at: &str, effect: &Effect) {
    match effect.kind {
        EffectKind::Damage { amount, period_ms, .. } | EffectKind::Heal { amount, period_ms } => {
            report.within(format!("{at}.amount"), amount, 0, POINTS_MAX);
            // 0 is once; anything else is a period, but not one that floods the log.
            if period_ms > 0 {
                report.within(format!("{at}.period_ms"), period_ms, PERIOD_MS_MIN, DURATION_MS_MAX);
            }
        }
        EffectKind::Shield { amount } => {
            report.within(format!("{at}.amount"), amount, 1, POINTS_MAX);
        }
        EffectKind::Speed { permille } => {
            report.within(format!("{at}.permille"), permille, 0, 10_000);
        }
        EffectKind::DamageDealt { permille } | EffectKind::DamageTaken { permille } => {
            report.within(format!("{at}.permille"), permille, 0, FACTOR_PERMILLE_MAX);
        }
        EffectKind::Stun | EffectKind::Invulnerable => {}
    }
    if effect.kind.period_ms().is_none() && effect.duration_ms == 0 {
        report.problem(format!("{at}.duration_ms"), "accepts 1 and more for an effect that lasts");
    }
}

fn report_chain<'a>(
    report: &mut Report,
    at: &str,
    chain: Option<Vec<usize>>,
    id: impl Fn(usize) -> Option<&'a str>,
) {
    let Some(chain) = chain else { return };
    let names: Vec<&str> = chain.into_iter().filter_map(id).collect();
    let what = format!("accepts a chain that ends after at most 16, found {}", names.join(" → "));
    report.problem(format!("{at}.then"), what);
}
