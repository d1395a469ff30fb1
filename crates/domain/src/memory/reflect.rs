//! When it is time to reflect.

use super::{Kind, Memory};

/// Importance that gathers until an NPC should reflect, as in Park et al. (2023).
pub const REFLECTION_THRESHOLD: f64 = 150.0;

/// The memories that were stored since the NPC last reflected, and their importance together. A
/// reflection never counts towards the next one.
pub fn unreflected<'a>(memories: impl IntoIterator<Item = &'a Memory>) -> (Vec<&'a Memory>, f64) {
    let remembered: Vec<&Memory> =
        memories.into_iter().filter(|memory| memory.forgotten.is_none()).collect();
    let reflections = remembered.iter().filter(|memory| memory.kind == Kind::Reflection);
    let last_us = reflections.map(|memory| memory.stored_us).max().unwrap_or(i64::MIN);
    let mut since: Vec<&Memory> = remembered
        .into_iter()
        .filter(|memory| memory.kind != Kind::Reflection && memory.stored_us > last_us)
        .collect();
    since.sort_by_key(|memory| (memory.stored_us, memory.id));
    let importance = since.iter().map(|memory| memory.importance).sum();
    (since, importance)
}
