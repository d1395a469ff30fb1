//! Port: what must survive.
//!
//! An [`EventLog`] keeps streams of events with dense versions, and lanes of events with dense,
//! commit-ordered positions. [`Snapshots`] and [`Projections`] are caches of folds over the log:
//! everything in them can be rebuilt from it. [`memory`] is the reference that every adapter is
//! compared with, and `conformance` the suite that every adapter runs.

mod append;
mod event;
mod fault;
mod log;
mod projection;
mod seal;
mod snapshot;
mod stream;

pub use append::{
    APPEND_EVENTS_MAX, Append, AppendError, Appended, EVENT_BYTES_MAX, Expected, Idempotency,
    StreamAppend, StreamAppended,
};
pub use event::{Event, EventId, NewEvent};
pub use fault::fault_point;
pub use log::{Direction, EventLog, Head, LogError, Pending, VerifyReport, Violation};
pub use projection::{AggregateRow, Cursor, ListPage, MatchRow, PlayerRow, Projected, Projections};
pub use seal::{Chain, event_crc};
pub use snapshot::{Snapshot, Snapshots};
pub use stream::{Incarnation, Lane, Position, SLICES, StreamName, Version};
