//! One connection, as far as it costs something.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::{Edge, Shared};

/// What is counted for one connection. Each of its requests has it as an extension, as an `Arc`.
#[derive(Debug)]
pub struct Connection {
    edge: Edge,
    receiving: AtomicUsize,
}

impl Connection {
    pub fn new(edge: &Edge) -> Arc<Self> {
        Arc::new(Self { edge: edge.clone(), receiving: AtomicUsize::new(0) })
    }

    pub(super) fn edge(&self) -> &Shared {
        &self.edge.0
    }

    pub(super) const fn receiving(&self) -> &AtomicUsize {
        &self.receiving
    }
}
