//! The contents by which sessions are played: the present one, and those of older sessions.
//!
//! A session names its content by a hash. The content itself is in the log, in a stream of its own, before
//! the first session that names it: a replay is folded by what the session was played by, whatever the
//! server has today.

use std::collections::HashMap;
use std::sync::Arc;

use gamemesh_domain::combat::wire::Wire as _;
use gamemesh_domain::combat::{CheckedContent, Content, ContentHash};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{
    Append, AppendError, Direction, EventLog, Expected, NewEvent, StreamAppend, StreamName,
};
use parking_lot::Mutex;

use crate::stored::CONTENT;

/// Older contents that are kept at hand.
const KEPT_MAX: usize = 16;

pub(crate) struct Contents {
    log: Arc<dyn EventLog>,
    present: Arc<CheckedContent>,
    older: Mutex<HashMap<ContentHash, Arc<CheckedContent>>>,
}

impl Contents {
    /// Makes the present content part of the log.
    pub(crate) async fn open(
        log: Arc<dyn EventLog>,
        present: Arc<CheckedContent>,
        now_us: i64,
    ) -> Result<Self> {
        let event = NewEvent {
            id: uuid::Uuid::now_v7(),
            kind: CONTENT.into(),
            data: present.to_wire().into(),
            meta: bytes::Bytes::new(),
        };
        let append = Append {
            streams: vec![StreamAppend {
                stream: stream(present.hash()),
                expected: Expected::Exact(0),
                events: vec![event],
            }],
            idempotency: None,
            fence: None,
            now_us,
        };
        match log.append(append).await {
            // Its name is the hash of what is in it: whoever wrote it wrote the same.
            Ok(_) | Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self { log, present, older: Mutex::default() })
    }

    pub(crate) fn present(&self) -> &Arc<CheckedContent> {
        &self.present
    }

    /// The content of a hash.
    pub(crate) async fn of(&self, hash: ContentHash) -> Result<Arc<CheckedContent>> {
        if hash == self.present.hash() {
            return Ok(self.present.clone());
        }
        if let Some(known) = self.older.lock().get(&hash) {
            return Ok(known.clone());
        }
        let stored = self.log.read_stream(&stream(hash), 1, 1, Direction::Forward).await?;
        let stored = stored.first().ok_or_else(|| {
            Error::new(Code::DataCorrupted, "the content of the session is not in the log")
                .with_fact("contentHash", hash)
        })?;
        let content = Arc::new(CheckedContent::new(Content::from_wire(&stored.data)?)?);
        if content.hash() != hash {
            return Err(Error::new(Code::DataCorrupted, "the content of the session is damaged")
                .with_fact("contentHash", hash));
        }
        let mut older = self.older.lock();
        if older.len() >= KEPT_MAX {
            older.clear();
        }
        older.insert(hash, content.clone());
        Ok(content)
    }
}

fn stream(hash: ContentHash) -> StreamName {
    StreamName::new("combat-content", &hash.to_string())
}
