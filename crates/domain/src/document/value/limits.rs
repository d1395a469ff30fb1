//! Bounds of a value. What lies beyond is refused before it is stored.

use super::Value;
use crate::document::FieldPath;
use crate::{Code, Error, Result};

/// Whole numbers are exact within ± this: 2^53 − 1.
pub const INT_ABS_MAX: i64 = (1 << 53) - 1;
/// Lists and maps nest at most this deep; a state is the first level.
pub const VALUE_DEPTH_MAX: usize = 32;
/// A name in a map, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 256;
/// Items of a list.
pub const LIST_LENGTH_MAX: usize = 10_000;
/// Names of a map.
pub const MAP_LENGTH_MAX: usize = 10_000;
/// A whole state: texts and names by their bytes, and eight bytes for every value.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// A path, in bytes: every field of a state within its limits has one that is accepted.
pub const PATH_BYTES_MAX: usize = VALUE_DEPTH_MAX * (2 * NAME_BYTES_MAX + 3);
/// Operations of one change.
pub const OPERATIONS_MAX: usize = 256;
/// Values that one operation adds or removes.
pub const OPERATION_VALUES_MAX: usize = 1_000;

/// Refuses what is too deep, too long or too large, naming the field and the bound.
pub fn check_limits(value: &Value) -> Result<()> {
    let mut bytes = 0;
    visit(value, 0, &mut bytes).map_err(Excess::into_error)
}

/// What was exceeded, and where: the path is put together while the recursion unwinds, so that a value
/// within its limits costs no path.
struct Excess {
    what: &'static str,
    found: String,
    max: i64,
    names_inside_out: Vec<String>,
}

fn visit(value: &Value, depth: usize, bytes: &mut usize) -> Result<(), Excess> {
    *bytes += 8;
    match value {
        Value::Null | Value::Bool(_) | Value::Float(_) => {}
        Value::Int(number) => {
            if number.unsigned_abs() > INT_ABS_MAX as u64 {
                return Err(Excess::new("absolute value of a number", number, INT_ABS_MAX));
            }
        }
        Value::Text(text) => *bytes += text.len(),
        Value::List(items) => {
            check_container("items of a list", items.len(), LIST_LENGTH_MAX, depth)?;
            for (index, item) in items.iter().enumerate() {
                visit(item, depth + 1, bytes).map_err(|excess| excess.under(&index))?;
            }
        }
        Value::Map(map) => {
            check_container("names of a map", map.len(), MAP_LENGTH_MAX, depth)?;
            for (name, item) in map.iter() {
                if name.len() > NAME_BYTES_MAX {
                    return Err(Excess::new("bytes of a name", &name.len(), NAME_BYTES_MAX as i64));
                }
                *bytes += name.len();
                visit(item, depth + 1, bytes).map_err(|excess| excess.under(&name))?;
            }
        }
    }
    if *bytes > DOCUMENT_BYTES_MAX {
        let max = DOCUMENT_BYTES_MAX as i64;
        return Err(Excess::new("bytes of the whole state", "more", max));
    }
    Ok(())
}

fn check_container(
    what: &'static str,
    length: usize,
    length_max: usize,
    depth: usize,
) -> Result<(), Excess> {
    if depth >= VALUE_DEPTH_MAX {
        let max = VALUE_DEPTH_MAX as i64;
        return Err(Excess::new("levels of lists and maps", &(depth + 1), max));
    }
    if length > length_max {
        return Err(Excess::new(what, &length, length_max as i64));
    }
    Ok(())
}

impl Excess {
    fn new(what: &'static str, found: &(impl ToString + ?Sized), max: i64) -> Self {
        Self { what, found: found.to_string(), max, names_inside_out: Vec::new() }
    }

    fn under(mut self, name: &impl ToString) -> Self {
        self.names_inside_out.push(name.to_string());
        self
    }

    fn into_error(self) -> Error {
        let Self { what, found, max, names_inside_out } = self;
        let field = FieldPath::print(names_inside_out.iter().rev().map(String::as_str));
        let description = format!("{what}: at most {max}, found {found}");
        let place = if field.is_empty() { "the state" } else { &field };
        let error = Error::new(Code::SchemaViolation, format!("{place}: {description}"))
            .with_fact("value", found)
            .with_fact("bound", max);
        // The state itself has no path.
        match field.is_empty() {
            true => error,
            false => error.with_field(&*field, description).with_fact("field", &field),
        }
    }
}
