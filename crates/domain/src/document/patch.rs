//! Merge patches (RFC 7396).

use super::{Map, Value};

/// Applies `patch` to `target`: names with null are removed, maps are merged, all else is replaced.
pub fn merge_patch(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Map(target), Value::Map(patch)) => merge_map(target, patch),
        (target, patch) => *target = without_nulls(patch),
    }
}

fn merge_map(target: &mut Map, patch: Map) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Map(_) => match target.get_mut(&name) {
                Some(present) => merge_patch(present, value),
                None => {
                    target.insert(name, without_nulls(value));
                }
            },
            value => {
                target.insert(name, value);
            }
        }
    }
}

/// What a patch leaves where no map was: itself without the removals, for which nothing is there.
/// Lists are taken as they are.
fn without_nulls(patch: Value) -> Value {
    let Value::Map(mut map) = patch else {
        return patch;
    };
    map.retain(|_, value| {
        if value.as_map().is_some() {
            *value = without_nulls(std::mem::take(value));
        }
        !value.is_null()
    });
    Value::Map(map)
}

#[cfg(test)]
mod tests;
