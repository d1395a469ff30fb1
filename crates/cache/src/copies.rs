//! Copies of records where programs outside of gamemesh read them.

use async_trait::async_trait;

use crate::L2Error;

/// A record under a name, with its fields as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub name: String,
    /// Grows with every change of the record, its end included.
    pub version: u64,
    pub fields: Vec<(&'static str, String)>,
}

/// Where copies are kept for a time. They may be forgotten, and are never the truth.
#[async_trait]
pub trait Copies: Send + Sync + 'static {
    /// Keeps each copy as a whole for its lifetime, unless as new a one is there. One that cannot be kept
    /// does not keep the others from it; the error is the last.
    async fn put_copies(&self, copies: Vec<Copy>) -> Result<(), L2Error>;
}
