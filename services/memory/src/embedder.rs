//! What makes vectors of texts.

pub mod http;
pub mod minilm;

use async_trait::async_trait;
use gamemesh_domain::memory::Model;
use gamemesh_domain::{Code, Error};

/// A model that makes vectors.
#[async_trait]
pub trait Embedder: Send + Sync + 'static {
    fn model(&self) -> &Model;

    /// Numbers of a vector.
    fn dimension(&self) -> usize;

    /// Texts that are given to it at once.
    fn batch_max(&self) -> usize;

    /// The vectors of texts, in their order.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Embedded>, Refused>;
}

/// A vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    pub vector: Vec<f32>,
    /// The text was longer than the model reads: the vector is of its beginning.
    pub truncated: bool,
}

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Not now: it may work later.
    Away(String),
    /// One of the texts will never do.
    Text(String),
}

impl Refused {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Away(why) => {
                Error::new(Code::DependencyUnavailable, "the embedding model cannot be reached")
                    .with_context(why)
            }
            Self::Text(why) => {
                Error::invalid("text", "the embedding model refuses it").with_context(why)
            }
        }
    }
}
