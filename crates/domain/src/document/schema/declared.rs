//! Whether a declaration is sound.

use std::collections::HashSet;

use super::{
    CHOICES_MAX, Declaration, FIELDS_MAX, Field, VALIDATORS_MAX, Validator, ValueSchema, shape,
};
use crate::document::limits::{INT_ABS_MAX, VALUE_DEPTH_MAX};
use crate::document::{FieldPath, check_limits};
use crate::{Error, Result};

/// A description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 4_096;
/// Fields of one conserved sum.
const CONSERVED_PATHS_MAX: usize = 16;
/// The name of a conserved quantity, in bytes.
const QUANTITY_BYTES_MAX: usize = 64;

pub(super) fn check(declaration: &Declaration) -> Result<()> {
    let Declaration { description, fields, validators, .. } = declaration;
    check_description("schema.description", description)?;
    at_most("schema.fields", fields.len(), FIELDS_MAX)?;
    at_most("schema.validators", validators.len(), VALIDATORS_MAX)?;
    let mut seen = HashSet::new();
    for (index, field) in fields.iter().enumerate() {
        let place = format!("schema.fields[{index}]");
        if !seen.insert(&field.path) {
            return Err(Error::invalid(place, format!("{} is declared before", field.path)));
        }
        check_field(&place, field)?;
        let above = fields.iter().filter(|other| *other != field && other.path.covers(&field.path));
        for other in above {
            if !matches!(other.value, ValueSchema::Map { .. } | ValueSchema::Any) {
                let what = format!("{} lies in {}, which is not a map", field.path, other.path);
                return Err(Error::invalid(place, what));
            }
        }
    }
    for (index, validator) in validators.iter().enumerate() {
        check_validator(&format!("schema.validators[{index}]"), validator, declaration)?;
    }
    Ok(())
}

fn check_field(place: &str, field: &Field) -> Result<()> {
    check_description(&format!("{place}.description"), &field.description)?;
    check_value(&format!("{place}.value"), &field.value, 0)?;
    if let Some(default) = &field.default {
        check_limits(default)?;
        shape::check_value(&field.value, default)
            .map_err(|what| Error::invalid(format!("{place}.default"), what))?;
    }
    Ok(())
}

fn check_value(place: &str, value: &ValueSchema, depth: usize) -> Result<()> {
    if depth >= VALUE_DEPTH_MAX {
        return Err(Error::invalid(place, format!("accepts {VALUE_DEPTH_MAX} levels")));
    }
    match value {
        ValueSchema::Int { min, max } => {
            let exact = |bound: &i64| bound.unsigned_abs() > INT_ABS_MAX as u64;
            if min.as_ref().is_some_and(exact) || max.as_ref().is_some_and(exact) {
                return Err(Error::invalid(place, "accepts bounds within ±(2^53 − 1)"));
            }
            check_bounds(place, *min, *max)
        }
        ValueSchema::Float { min, max } => check_numbers(place, *min, *max),
        ValueSchema::Text { bytes_max, one_of } => {
            at_most(&format!("{place}.one_of"), one_of.len(), CHOICES_MAX)?;
            let length = |choice: &String| bytes_max.is_some_and(|max| choice.len() > max as usize);
            match one_of.iter().find(|choice| length(choice)) {
                Some(choice) => {
                    Err(Error::invalid(place, format!("`{choice}` is longer than bytes_max")))
                }
                None => Ok(()),
            }
        }
        ValueSchema::List { of: Some(of), .. } | ValueSchema::Map { of: Some(of), .. } => {
            check_value(&format!("{place}.of"), of, depth + 1)
        }
        ValueSchema::List { of: None, .. } | ValueSchema::Map { of: None, .. } => Ok(()),
        ValueSchema::Bool | ValueSchema::Any | ValueSchema::Timestamp => Ok(()),
    }
}

fn check_validator(place: &str, validator: &Validator, declaration: &Declaration) -> Result<()> {
    for path in validator.paths() {
        check_path(place, path, validator, declaration)?;
    }
    match validator {
        Validator::Range { min, max, .. } => check_numbers(place, *min, *max),
        Validator::RateOfChange { per_second_max: rate, burst: spare, .. }
        | Validator::PositionSpeed { units_per_second_max: rate, tolerance_units: spare, .. }
            if !(rate.is_finite() && *rate > 0.0 && spare.is_finite() && *spare >= 0.0) =>
        {
            Err(Error::invalid(place, "accepts a rate greater than 0 and a spare of 0 or more"))
        }
        Validator::PositionSpeed { paths, .. } if !(2..=3).contains(&paths.len()) => {
            Err(Error::invalid(place, "accepts two or three coordinates"))
        }
        Validator::Conserved { quantity, paths } => {
            at_most(place, quantity.len(), QUANTITY_BYTES_MAX)?;
            if (1..=CONSERVED_PATHS_MAX).contains(&paths.len()) {
                return Ok(());
            }
            Err(Error::invalid(place, format!("accepts 1 to {CONSERVED_PATHS_MAX} paths")))
        }
        Validator::Transition { allowed, .. } => {
            if (1..=CHOICES_MAX).contains(&allowed.len()) {
                return Ok(());
            }
            Err(Error::invalid(place, format!("accepts 1 to {CHOICES_MAX} steps")))
        }
        _ => Ok(()),
    }
}

/// A rule looks at a field that can be there, and of a kind that it can judge.
fn check_path(
    place: &str,
    path: &FieldPath,
    validator: &Validator,
    declaration: &Declaration,
) -> Result<()> {
    let exact = declaration.fields.iter().find(|field| field.path == *path);
    let inside = |field: &Field| {
        let holds = matches!(field.value, ValueSchema::Map { .. } | ValueSchema::Any);
        holds && field.path.covers(path)
    };
    let Some(field) = exact else {
        if declaration.open || declaration.fields.iter().any(inside) {
            return Ok(());
        }
        const NAMES_MAX: usize = 16;
        let names = declaration.fields.iter().map(|field| field.path.to_string());
        let mut names: Vec<_> = names.take(NAMES_MAX + 1).collect();
        if names.len() > NAMES_MAX {
            "…".clone_into(&mut names[NAMES_MAX]);
        }
        let accepted = names.join(", ");
        let what = format!("{path} is not a field of this type, which has {accepted}");
        return Err(Error::invalid(place, what));
    };
    let fits = match (validator, &field.value) {
        (_, ValueSchema::Any) | (Validator::Immutable { .. }, _) => true,
        (Validator::Transition { .. }, value) => matches!(value, ValueSchema::Text { .. }),
        (Validator::Conserved { .. }, value) => {
            matches!(value, ValueSchema::Int { .. } | ValueSchema::Map { .. })
        }
        (_, value) => matches!(value, ValueSchema::Int { .. } | ValueSchema::Float { .. }),
    };
    if fits {
        return Ok(());
    }
    Err(Error::invalid(
        place,
        format!("{path} is not of a kind that `{}` judges", validator.name()),
    ))
}

fn check_numbers(place: &str, min: Option<f64>, max: Option<f64>) -> Result<()> {
    if min.is_some_and(|min| !min.is_finite()) || max.is_some_and(|max| !max.is_finite()) {
        return Err(Error::invalid(place, "accepts finite bounds"));
    }
    check_bounds(place, min, max)
}

fn check_bounds<T: PartialOrd>(place: &str, min: Option<T>, max: Option<T>) -> Result<()> {
    match (min, max) {
        (Some(min), Some(max)) if min > max => {
            Err(Error::invalid(place, "min must not be greater than max"))
        }
        _ => Ok(()),
    }
}

fn check_description(place: &str, text: &str) -> Result<()> {
    at_most(place, text.len(), DESCRIPTION_BYTES_MAX)
}

fn at_most(place: &str, found: usize, max: usize) -> Result<()> {
    if found <= max {
        return Ok(());
    }
    Err(Error::invalid(place, format!("accepts at most {max}, found {found}")))
}
