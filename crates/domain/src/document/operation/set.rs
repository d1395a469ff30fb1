//! Lists as sets: no two items are equal, in the order of arrival.

use std::collections::HashSet;

use crate::document::Value;

/// Up to this many comparisons a scan is cheaper than hashing.
const COMPARISONS_MAX: usize = 512;

pub(super) fn add(items: &mut Vec<Value>, values: Vec<Value>) {
    if (items.len() + values.len()) * values.len() <= COMPARISONS_MAX {
        for value in values {
            if !items.contains(&value) {
                items.push(value);
            }
        }
        return;
    }
    let mut seen: HashSet<&Value> = items.iter().collect();
    let new: Vec<bool> = values.iter().map(|value| seen.insert(value)).collect();
    items.extend(values.into_iter().zip(new).filter_map(|(value, new)| new.then_some(value)));
}

pub(super) fn remove(items: &mut Vec<Value>, values: &[Value]) {
    if items.len() * values.len() <= COMPARISONS_MAX {
        items.retain(|item| !values.contains(item));
    } else {
        let values: HashSet<&Value> = values.iter().collect();
        items.retain(|item| !values.contains(item));
    }
}
