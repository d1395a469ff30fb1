//! What content is accepted. Every error names the place as a path and says what is accepted there.

mod rules;

use super::{Content, ContentHash};
use crate::Result;

/// The bounds of content.
pub mod limits {
    /// Milliseconds that any duration may last: a day.
    pub const DURATION_MS_MAX: u32 = 86_400_000;
}

/// Content that keeps its promises: every reference leads somewhere, every number is in its bounds.
#[derive(Debug, Clone)]
pub struct CheckedContent {
    content: Content,
    hash: ContentHash,
}

impl CheckedContent {
    pub fn new(content: Content) -> Result<Self> {
        content.rules.check()?;
        let hash = content.hash();
        Ok(Self { content, hash })
    }

    pub const fn hash(&self) -> ContentHash {
        self.hash
    }
}

impl std::ops::Deref for CheckedContent {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.content
    }
}
