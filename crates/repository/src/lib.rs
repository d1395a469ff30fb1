#![doc = include_str!("../README.md")]

mod append;
#[cfg(feature = "conformance")]
pub mod conformance;
mod event;
mod fault;
mod generations;
mod heads;
mod lease;
mod log;
mod log_name;
pub mod memory;
mod memory_tables;
mod projection;
mod seal;
mod snapshot;
mod stream;

pub use append::{
    APPEND_BYTES_MAX, APPEND_EVENTS_MAX, APPEND_STREAMS_MAX, Append, AppendError, Appended,
    EVENT_BYTES_MAX, Expected, IDEMPOTENCY_KEY_BYTES_MAX, Idempotency, KIND_BYTES_MAX,
    STREAM_NAME_BYTES_MAX, StreamAppend, StreamAppended,
};
pub use event::{Event, EventId, NewEvent};
pub use fault::{fault_fails, fault_point, seeded_defect};
pub use generations::Generations;
pub use heads::{Heads, StreamHead};
pub use lease::{Epoch, Fence, LaneLeases, LaneOwner, Member, Moves, Roster, Term, spread};
pub use log::{Direction, EventLog, Head, LogError, Pending, Sight, VerifyReport, Violation};
pub use log_name::{LogName, UnknownLog};
pub use memory_tables::{
    CollectionRow, EmbeddingState, HistoryPartition, HistoryQuery, HistoryRow, MemoryChange,
    MemoryOutcome, MemoryPlace, MemoryRow, MemoryTables, PageRows,
};
pub use projection::{AggregateRow, Cursor, ListPage, MatchRow, PlayerRow, Projected, Projections};
pub use seal::{Chain, Seals, event_crc};
pub use snapshot::{Snapshot, Snapshots};
pub use stream::{Incarnation, Lane, Position, SLICES, StreamName, Version};

/// All three ports of one store.
pub trait Repository: EventLog + Snapshots + Projections {}

impl<T: EventLog + Snapshots + Projections> Repository for T {}
