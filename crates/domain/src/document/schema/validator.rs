//! Whether a change keeps a declared rule.

use std::fmt;

use super::Validator;
use crate::document::{Allowance, FieldPath, Rates, Value};
use crate::{Code, Error, Result};

/// [`Validator::Conserved`] is left to `check_conserved`, rates to [`spend`].
pub(super) fn check(validator: &Validator, before: &Value, after: &Value) -> Result<()> {
    let rule = Rule { name: validator.name(), before, after };
    match validator {
        Validator::Range { path, min, max } => rule.range(path, *min, *max),
        Validator::Immutable { path } => rule.immutable(path),
        Validator::Monotonic { path } => rule.monotonic(path),
        Validator::Transition { path, allowed } => rule.transition(path, allowed),
        Validator::Conserved { .. }
        | Validator::RateOfChange { .. }
        | Validator::PositionSpeed { .. } => Ok(()),
    }
}

/// What a change leaves of the allowance of a rule about a rate; `None` if its fields stay as they are.
pub(super) fn spend(
    validator: &Validator,
    before: &Value,
    after: &Value,
    rates: &Rates<'_>,
) -> Result<Option<Allowance>> {
    let rule = Rule { name: validator.name(), before, after };
    let (per_second, allowance_max, taken) = match validator {
        Validator::RateOfChange { path, per_second_max, burst, increase_only } => {
            (*per_second_max, *burst, rule.changed_by(path, *increase_only)?)
        }
        Validator::PositionSpeed { paths, units_per_second_max, tolerance_units } => {
            (*units_per_second_max, *tolerance_units, rule.moved_by(paths)?)
        }
        _ => return Ok(None),
    };
    let Some(taken) = taken else { return Ok(None) };
    let name = Allowance::rule_of(validator);
    let available = rates.available(name, per_second, allowance_max);
    if taken > available {
        let path = &validator.paths()[0];
        let what = match validator {
            Validator::PositionSpeed { .. } => {
                format!("moved {taken}, but may at most {available} since the last changes of it")
            }
            _ => format!(
                "changed by {taken}, but may by at most {available} since the last changes of it"
            ),
        };
        return Err(rule.refusal(path, taken, available, what));
    }
    Ok(Some(rates.spend(name, available, taken, allowance_max)))
}

struct Rule<'a> {
    name: &'static str,
    before: &'a Value,
    after: &'a Value,
}

impl<'a> Rule<'a> {
    fn range(&self, path: &FieldPath, min: Option<f64>, max: Option<f64>) -> Result<()> {
        if value(self.before, path) == value(self.after, path) {
            return Ok(());
        }
        let Some(number) = self.number(self.after, path)? else {
            return Ok(());
        };
        if let Some(min) = min.filter(|min| number < *min) {
            return Err(self.refusal(path, number, min, format!("must be at least {min}")));
        }
        if let Some(max) = max.filter(|max| number > *max) {
            return Err(self.refusal(path, number, max, format!("must be at most {max}")));
        }
        Ok(())
    }

    /// By how much a number changes; `None` if it does not.
    fn changed_by(&self, path: &FieldPath, increase_only: bool) -> Result<Option<f64>> {
        Ok(self.numbers(path)?.filter(|(before, after)| before != after).map(|(before, after)| {
            if increase_only { (after - before).max(0.0) } else { (after - before).abs() }
        }))
    }

    /// How far a position moves; `None` if it does not.
    fn moved_by(&self, paths: &[FieldPath]) -> Result<Option<f64>> {
        let mut square = 0.0;
        for path in paths {
            if let Some((before, after)) = self.numbers(path)? {
                square += (after - before) * (after - before);
            }
        }
        Ok((square > 0.0).then(|| f64::sqrt(square)))
    }

    fn immutable(&self, path: &FieldPath) -> Result<()> {
        match (value(self.before, path), value(self.after, path)) {
            (Some(before), after) if after != Some(before) => {
                let after = after.unwrap_or(&Value::Null);
                let what = format!("is {before} and never changes");
                Err(self.refusal(path, after, before, what))
            }
            _ => Ok(()),
        }
    }

    fn monotonic(&self, path: &FieldPath) -> Result<()> {
        match self.numbers(path)? {
            Some((before, after)) if after < before => {
                let what = format!("never falls, but would from {before} to {after}");
                Err(self.refusal(path, after, before, what))
            }
            _ => Ok(()),
        }
    }

    fn transition(&self, path: &FieldPath, allowed: &[(String, String)]) -> Result<()> {
        let Some((before, after)) = self.both(path)? else {
            return Ok(());
        };
        let step = |(from, to): &&(String, String)| {
            before.as_text() == Some(from) && after.as_text() == Some(to)
        };
        if before == after || allowed.iter().any(|pair| step(&pair)) {
            return Ok(());
        }
        let from = |(from, _): &&(String, String)| before.as_text() == Some(from);
        let targets: Vec<_> = allowed.iter().filter(from).map(|(_, to)| to.as_str()).collect();
        let bound = if targets.is_empty() { "nothing".to_owned() } else { targets.join(", ") };
        let what = format!("can go from {before} to {bound}, not to {after}");
        Err(self.refusal(path, after, bound, what))
    }

    /// Both numbers, if the field was there before.
    fn numbers(&self, path: &FieldPath) -> Result<Option<(f64, f64)>> {
        // A number that was stored before the rule existed may be none: nothing to compare then.
        let before = value(self.before, path).and_then(Value::as_f64);
        match (before, self.number(self.after, path)?) {
            (Some(before), Some(after)) => Ok(Some((before, after))),
            (Some(before), None) => Err(self.removed(path, before)),
            (None, _) => Ok(None),
        }
    }

    /// Both values, if the field was there before. It may not be removed, because it could be added
    /// again with any value.
    fn both(&self, path: &FieldPath) -> Result<Option<(&'a Value, &'a Value)>> {
        match (value(self.before, path), value(self.after, path)) {
            (Some(before), Some(after)) => Ok(Some((before, after))),
            (Some(before), None) => Err(self.removed(path, before)),
            (None, _) => Ok(None),
        }
    }

    fn number(&self, state: &Value, path: &FieldPath) -> Result<Option<f64>> {
        match value(state, path) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| {
                self.refusal(path, value, "a number", format!("must be a number, not {value}"))
            }),
        }
    }

    fn removed(&self, path: &FieldPath, before: impl fmt::Display) -> Error {
        let what = "cannot be removed, only changed within its rule".to_owned();
        self.refusal(path, "null", before, what)
    }

    fn refusal(
        &self,
        path: &FieldPath,
        value: impl fmt::Display,
        bound: impl fmt::Display,
        what: String,
    ) -> Error {
        refusal(self.name, path, value, bound, what)
    }
}

pub(super) fn refusal(
    validator: &'static str,
    path: &FieldPath,
    value: impl fmt::Display,
    bound: impl fmt::Display,
    what: String,
) -> Error {
    Error::new(Code::ValidatorRefused, format!("{path}: {what}"))
        .with_field(path.as_str(), what)
        .with_fact("field", path)
        .with_fact("value", value)
        .with_fact("bound", bound)
        .with_fact("validator", validator)
}

/// The value of a field; null counts as none.
pub(super) fn value<'a>(state: &'a Value, path: &FieldPath) -> Option<&'a Value> {
    state.get(path).filter(|value| !value.is_null())
}
