//! Decay, and which memories leave when there is no room for all.

use std::cmp::Ordering;

use super::{Kind, Memory};

/// Strength falls to the half in so many hours since the memory last came to mind, for one of no
/// importance; for one of importance 10 it takes eleven times as long.
const HALF_LIFE_HOURS: f64 = 72.0;

/// How strong a memory is, above 0: more important ones decay more slowly, and each time that it came to
/// mind adds to it.
pub fn strength(memory: &Memory, now_us: i64) -> f64 {
    let idle_hours = (now_us - memory.accessed_us).max(0) as f64 / 3_600e6;
    let half_life = HALF_LIFE_HOURS * (1.0 + memory.importance);
    let used = 1.0 + (memory.accesses as f64).ln_1p();
    (1.0 + memory.importance) * used * (-idle_hours / half_life).exp2()
}

/// Whether a memory never leaves by itself: it is pinned, a goal, or about a time that is still to come.
pub fn is_protected(memory: &Memory, now_us: i64) -> bool {
    let ahead = |time: Option<i64>| time.is_some_and(|time_us| time_us > now_us);
    memory.pinned
        || memory.kind == Kind::Goal
        || memory.created_us > now_us
        || ahead(memory.valid_from_us)
        || ahead(memory.valid_until_us)
}

/// Who leaves first comes first: the weakest, of equals the oldest, then the smaller id.
pub fn eviction_order(a: &Memory, b: &Memory, now_us: i64) -> Ordering {
    strength(a, now_us)
        .total_cmp(&strength(b, now_us))
        .then(a.created_us.cmp(&b.created_us))
        .then(a.id.cmp(&b.id))
}

/// Which of an NPC's memories leave so that at most `budget` remain, 0 for no bound. What is protected
/// stays, even if more than the budget is.
pub fn evictions<'a>(
    memories: impl IntoIterator<Item = &'a Memory>,
    budget: usize,
    now_us: i64,
) -> Vec<&'a Memory> {
    let remembered: Vec<&Memory> =
        memories.into_iter().filter(|memory| memory.forgotten.is_none()).collect();
    let excess = match budget {
        0 => 0,
        budget => remembered.len().saturating_sub(budget),
    };
    if excess == 0 {
        return Vec::new();
    }
    let mut leaving: Vec<&Memory> =
        remembered.into_iter().filter(|memory| !is_protected(memory, now_us)).collect();
    leaving.sort_by(|a, b| eviction_order(a, b, now_us));
    leaving.truncate(excess);
    leaving
}
