//! What is published.

use std::sync::Arc;

use bytes::Bytes;

/// One fact on its way to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: Arc<str>,
    /// Messages of one key stay in order.
    pub key: Bytes,
    pub payload: Bytes,
    pub headers: Vec<Header>,
    /// Lane of the log that it comes from, and its place there.
    pub lane: u16,
    pub position: u64,
}

/// A name and a value that travel beside the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: &'static str,
    pub value: Bytes,
}

impl Message {
    /// Bytes that every message costs beside what it carries, at most.
    pub(crate) const FRAME_BYTES: usize = 64;

    /// The same for every header.
    pub(crate) const HEADER_BYTES: usize = 16;

    /// What it takes on the wire, rather too much than too little.
    pub fn size_bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize =
            headers.map(|h| h.name.len() + h.value.len() + Self::HEADER_BYTES).sum();
        Self::FRAME_BYTES + self.key.len() + self.payload.len() + headers
    }
}
