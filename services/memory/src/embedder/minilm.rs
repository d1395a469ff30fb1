//! A BERT-like encoder of sentences in this process: all-MiniLM-L6-v2, or another of its kind, from a folder
//! with `model.safetensors`, `config.json` and `tokenizer.json`.
//!
//! Each text is encoded by itself, without padding, so that its vector does not depend on its neighbours.

mod encoder;
mod tensors;
mod word_piece;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_domain::memory::Model;
use parking_lot::Mutex;

use self::encoder::Encoder;
use self::word_piece::WordPiece;
use super::{Embedded, Embedder, Refused};

/// Texts that are taken at once: the caller waits for all of them.
const BATCH_MAX: usize = 8;

/// Tokens of a text, the first and last among them: what the sentence model was trained with.
const TOKENS_MAX: usize = 256;

pub struct MiniLm {
    model: Model,
    loaded: Arc<Loaded>,
}

struct Loaded {
    words: WordPiece,
    encoder: Encoder,
    /// One text at a time: the processors are for the game.
    turn: Mutex<()>,
}

impl MiniLm {
    /// Reads a model from its folder. The name is how collections name it.
    pub fn open(folder: &Path, name: &str, version: &str) -> Result<Self, String> {
        let model = Model::parse(name, version).map_err(|error| error.message)?;
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let words = WordPiece::read(&read("tokenizer.json")?)?;
        let encoder = Encoder::read(&read("config.json")?, &read("model.safetensors")?)?;
        Ok(Self { model, loaded: Arc::new(Loaded { words, encoder, turn: Mutex::new(()) }) })
    }
}

#[async_trait]
impl Embedder for MiniLm {
    fn model(&self) -> &Model {
        &self.model
    }

    fn dimension(&self) -> usize {
        self.loaded.encoder.dimension()
    }

    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Embedded>, Refused> {
        let (loaded, texts) = (self.loaded.clone(), texts.to_vec());
        let made = tokio::task::spawn_blocking(move || {
            texts.iter().map(|text| loaded.embed(text)).collect()
        });
        made.await.map_err(|error| Refused::Away(error.to_string()))
    }
}

impl Loaded {
    fn embed(&self, text: &str) -> Embedded {
        let (tokens, truncated) = self.words.encode(text, TOKENS_MAX);
        let _turn = self.turn.lock();
        Embedded { vector: self.encoder.encode(&tokens), truncated }
    }
}
