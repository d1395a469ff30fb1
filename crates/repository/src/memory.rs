//! The reference: everything under one mutex, in plain collections. Simple before fast, since
//! adapters are compared with it. It is also the store of `memory:`, where nothing outlives the
//! process.

mod leases;
mod log;
mod memories;
mod ports;
mod rows;
mod stats;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{Epoch, Incarnation, LeaseTable, Position, Snapshot, StoreSecret, StreamName, Version};

/// The epoch of a lane that nobody has taken yet.
const FIRST_EPOCH: Epoch = 1;

/// A store in memory.
pub struct MemoryStore {
    incarnation: Incarnation,
    secret: StoreSecret,
    state: Mutex<State>,
    /// One for each lane.
    tails: Vec<watch::Sender<Position>>,
}

struct State {
    log: log::Log,
    snapshots: BTreeMap<(StreamName, u64, Version), Snapshot>,
    rows: rows::Rows,
    leases: LeaseTable,
    memories: memories::Memories,
    stats: stats::Stats,
}

impl MemoryStore {
    /// An empty store of one lane.
    pub fn new() -> Arc<Self> {
        Self::with_lanes(1)
    }

    /// An empty store of several lanes, to compare an adapter that has them.
    pub fn with_lanes(lanes: u16) -> Arc<Self> {
        Arc::new(Self {
            incarnation: Incarnation(*Uuid::new_v4().as_bytes()),
            secret: StoreSecret::generate(),
            state: Mutex::new(State {
                log: log::Log::new(lanes),
                snapshots: BTreeMap::new(),
                rows: rows::Rows::default(),
                leases: LeaseTable::new((0..lanes).map(|_| FIRST_EPOCH)),
                memories: memories::Memories::default(),
                stats: stats::Stats::default(),
            }),
            tails: (0..lanes).map(|_| watch::Sender::new(0)).collect(),
        })
    }
}
