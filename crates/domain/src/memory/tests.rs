//! The laws of recall, and the rules beside it.

mod rules;
mod scoring;
mod texts;

use std::sync::Arc;

use super::{Kind, Memory, MemoryId, Name, Visibility};
use crate::document::Map;

pub(super) const HOUR_US: i64 = 3_600_000_000;

pub(super) fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

pub(super) fn memory(id: u128, text: &str) -> Memory {
    Memory {
        id: MemoryId(id),
        npc: name("klaus"),
        kind: Kind::Observation,
        text: Arc::from(text),
        metadata: Map::new(),
        importance: 5.0,
        subjects: Vec::new(),
        witnesses: Vec::new(),
        visibility: Visibility::Private,
        sources: Vec::new(),
        pinned: false,
        created_us: 0,
        stored_us: 0,
        accessed_us: 0,
        accesses: 0,
        valid_from_us: None,
        valid_until_us: None,
        forgotten: None,
        replaced_by: None,
        merged: 0,
        version: 1,
    }
}
