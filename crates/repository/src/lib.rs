#![doc = include_str!("../README.md")]

mod append;
pub mod batch;
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
mod seal;
mod secret;
mod snapshot;
mod stats_tables;
mod stream;
mod tables;

pub use append::{
    APPEND_BYTES_MAX, APPEND_EVENTS_MAX, APPEND_STREAMS_MAX, Append, AppendError, Appended,
    EVENT_BYTES_MAX, Expected, IDEMPOTENCY_KEY_BYTES_MAX, Idempotency, KIND_BYTES_MAX,
    STREAM_NAME_BYTES_MAX, StreamAppend, StreamAppended,
};
pub use event::{Event, EventId, NewEvent};
pub use fault::{fault_fails, fault_point, seeded_defect};
pub use generations::Generations;
pub use heads::{Heads, StreamHead};
pub use lease::{
    Claimed, Epoch, Fence, LaneLeases, LaneOwner, LeaseTable, LocalLease, Member, Membership,
    Moves, assign,
};
pub use log::{
    Direction, EventLog, Head, LogError, Pending, TailObservation, VerifyReport, Violation,
};
pub use log_name::{LogName, UnknownLog};
pub use memory_tables::{
    CollectionRow, EmbeddingState, EntityQuery, EntityRow, HistoryAppended, HistoryMark,
    HistoryPartition, HistoryQuery, HistoryRow, MemoryChange, MemoryOutcome, MemoryPlace,
    MemoryRow, MemoryTables, PageRows, TableMark, repeated_entries,
};
pub use seal::{Chain, Seals, event_crc};
pub use secret::{STORE_SECRET_BYTES, StoreSecret};
pub use snapshot::{Snapshot, Snapshots, snapshot_crc};
pub use stats_tables::{
    FrozenRow, MatchStatsRow, MatchSummaryRow, PlayerStatsRow, StatsProgress, StatsTables,
    StatsWrite,
};
pub use stream::{Incarnation, Lane, Position, SLICES, StreamName, Version};
pub use tables::{
    AggregateRow, CombatEventRow, CombatPlayerRow, CombatQuery, CombatRows, CombatSessionRow,
    CombatTables, Cursor, Cursors, DocumentTables, ListPage, MatchRow, PlayerRow, Projected,
    StateRows, StateTables, TableRows, TableSet, TableWriter,
};
