//! How often a player runs into the rules.
//!
//! One refusal proves nothing: lag, a crash or a mistake of the game server causes some. What shows is
//! the rate, and its share of all that the player does.

use crate::{Code, Detail, Error};

/// Time in which a rate that gets no more events falls to 1/e, in seconds.
const RATE_TIME_S: f64 = 300.0;
/// Rules that are told apart for one player; refusals by more are counted together.
const RULES_MAX: usize = 32;
/// Refusals a minute from which a player is suspicious.
const SUSPICIOUS_PER_MINUTE: f64 = 6.0;
/// Share of refusals in all changes from which a player is suspicious.
const SUSPICIOUS_SHARE: f64 = 0.2;

const OTHER_RULES: &str = "other";

/// What is known of one player. Time is an argument, in microseconds, and may stand still or go back
/// a little: it counts as standing still then.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Anomalies {
    changes: Rate,
    refusals: Rate,
    rules: Vec<RuleStatistics>,
}

/// What is known of one player and one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleStatistics {
    /// The validator and the field, such as `position_speed position.x`.
    pub rule: String,
    pub rate: Rate,
    /// What was refused last, and the bound then.
    pub last_value: String,
    pub last_bound: String,
}

/// A count, and an exponentially weighted rate.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rate {
    pub count: u64,
    pub last_us: i64,
    per_second: f64,
}

impl Anomalies {
    /// A change of the player was accepted.
    pub fn record_change(&mut self, now_us: i64) {
        self.changes.record(now_us);
    }

    /// A change of the player was refused. Only what a schema or a validator refuses counts: a version
    /// conflict or a malformed request says nothing about a player.
    pub fn record_refusal(&mut self, error: &Error, now_us: i64) {
        if !matches!(error.code, Code::ValidatorRefused | Code::SchemaViolation) {
            return;
        }
        self.refusals.record(now_us);
        let field = fact(error, "field");
        let rule = match fact(error, "validator") {
            "" => format!("schema {field}"),
            validator => format!("{validator} {field}"),
        };
        let statistics = self.rule(rule);
        statistics.rate.record(now_us);
        fact(error, "value").clone_into(&mut statistics.last_value);
        fact(error, "bound").clone_into(&mut statistics.last_bound);
    }

    pub const fn changes(&self) -> &Rate {
        &self.changes
    }

    pub const fn refusals(&self) -> &Rate {
        &self.refusals
    }

    pub fn rules(&self) -> &[RuleStatistics] {
        &self.rules
    }

    /// The share of refusals in all recent changes, 0 to 1.
    pub fn refused_share(&self, now_us: i64) -> f64 {
        let refused = self.refusals.per_second(now_us);
        let all = refused + self.changes.per_second(now_us);
        if all > 0.0 { refused / all } else { 0.0 }
    }

    /// Whether refusals are both frequent and a large share.
    pub fn is_suspicious(&self, now_us: i64) -> bool {
        self.refusals.per_second(now_us) * 60.0 >= SUSPICIOUS_PER_MINUTE
            && self.refused_share(now_us) >= SUSPICIOUS_SHARE
    }

    fn rule(&mut self, rule: String) -> &mut RuleStatistics {
        let known =
            |name: &str, rules: &[RuleStatistics]| rules.iter().position(|r| r.rule == name);
        let full = self.rules.len() >= RULES_MAX - 1 && known(&rule, &self.rules).is_none();
        let rule = if full { OTHER_RULES.to_owned() } else { rule };
        let at = known(&rule, &self.rules).unwrap_or_else(|| {
            let (last_value, last_bound) = (String::new(), String::new());
            self.rules.push(RuleStatistics { rule, rate: Rate::default(), last_value, last_bound });
            self.rules.len() - 1
        });
        &mut self.rules[at]
    }
}

impl Rate {
    /// Events a second, over about [`RATE_TIME_S`].
    pub fn per_second(&self, now_us: i64) -> f64 {
        let elapsed_s = now_us.saturating_sub(self.last_us).max(0) as f64 / 1e6;
        self.per_second * f64::exp(-elapsed_s / RATE_TIME_S)
    }

    fn record(&mut self, now_us: i64) {
        self.per_second = self.per_second(now_us) + 1.0 / RATE_TIME_S;
        self.last_us = self.last_us.max(now_us);
        self.count += 1;
    }
}

fn fact<'a>(error: &'a Error, wanted: &str) -> &'a str {
    let value = |detail: &'a Detail| match detail {
        Detail::Fact { key, value } if *key == wanted => Some(value.as_str()),
        _ => None,
    };
    error.details.iter().find_map(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
