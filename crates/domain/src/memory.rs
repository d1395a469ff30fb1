//! Rules of the memory service: what an NPC remembers and in which order it comes to mind, when two
//! memories are one, which is forgotten first, who may know what, and which steps a story or a world
//! may take.
//!
//! [`select`] finds the exact best of a whole score over all candidates, from intervals for what is
//! costly to know; [`rank_all`] is the same without the intervals, and the oracle of its tests.

mod collection;
mod duplicate;
mod forget;
mod machine;
mod profile;
mod query;
mod record;
mod reflect;
mod score;
mod select;
mod stem;
mod words;

pub use collection::{Collection, Dimension, Metric, Model, check_vector};
pub use duplicate::{DUPLICATE_COSINE, Likeness, duplicates, likeness};
pub use forget::{eviction_order, evictions, is_protected, strength};
pub use machine::{Machine, Step};
pub use profile::{Fusion, Profile, Recency, RecencyBasis, Weights};
pub use query::{Criteria, Span};
pub use record::{
    Forgotten, Kind, MEMORY_TEXT_BYTES_MAX, Memory, MemoryId, NAMES_MAX, Name, Visibility,
};
pub use reflect::{REFLECTION_THRESHOLD, unreflected};
pub use score::{Candidate, Interval, Scored, Term, rank_all};
pub use select::select;
pub use words::{TOKENS_MAX, WordIndex, WordsFound, tokens};

#[cfg(test)]
mod tests;
