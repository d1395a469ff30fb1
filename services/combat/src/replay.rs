//! A session read again from its log.

pub(crate) mod play;
pub(crate) mod seek;
pub(crate) mod verify;

use std::sync::Arc;

use gamemesh_domain::Result;
use gamemesh_repository::{Direction, Event, StreamName, Version};

use crate::edge::Shared;

/// Log events that are read at once.
const PAGE: usize = 64;

/// Reads a session's log events in order, a page at a time.
pub(crate) struct Pages {
    shared: Arc<Shared>,
    stream: StreamName,
    next: Version,
    page: std::vec::IntoIter<Event>,
    ended: bool,
}

impl Pages {
    pub(crate) fn new(shared: Arc<Shared>, stream: StreamName, from: Version) -> Self {
        Self { shared, stream, next: from, page: Vec::new().into_iter(), ended: false }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        if let Some(event) = self.page.next() {
            return Ok(Some(event));
        }
        if self.ended {
            return Ok(None);
        }
        let forward = Direction::Forward;
        let page = self.shared.log.read_stream(&self.stream, self.next, PAGE, forward).await?;
        self.ended = page.len() < PAGE;
        self.next += page.len() as u64;
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}
