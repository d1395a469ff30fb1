//! Vectors are made in the background: a text is durable and found by its words before it has one.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_domain::memory::{Collection, check_vector};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{EmbeddingState, MemoryChange, MemoryRow};
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::convert::collection::{Known, model_text};
use crate::embedder::{Embedded, Embedder, Refused};

/// Rows that are looked at together.
const ROWS_AT_ONCE: usize = 256;

/// How long it rests when nothing waits: other instances store, too.
const REST: Duration = Duration::from_secs(5);

/// How long it rests after a failure, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(30);

impl Engine {
    /// Whether this server makes the vectors of a collection.
    pub(super) fn embeds(&self, collection: &Collection) -> bool {
        self.embedder_of(collection).is_some()
    }

    fn embedder_of(&self, collection: &Collection) -> Option<&Arc<dyn Embedder>> {
        let embedder = self.config.embedder.as_ref()?;
        let fits = *embedder.model() == collection.model
            && embedder.dimension() == collection.dimension.get();
        fits.then_some(embedder)
    }

    /// What becomes of a text that has no vector.
    pub(crate) fn without_vector(&self, collection: &Collection) -> EmbeddingState {
        match self.embeds(collection) {
            true => EmbeddingState::Pending,
            false => EmbeddingState::None,
        }
    }

    /// The vector of a question, and whether its text was cut; none where the caller has to bring it.
    pub(crate) async fn question_vector(
        &self,
        collection: &Collection,
        text: &str,
    ) -> Result<Option<Embedded>> {
        let Some(embedder) = self.embedder_of(collection) else { return Ok(None) };
        let mut made = embedder.embed(&[text.to_owned()]).await.map_err(Refused::into_error)?;
        let made = made.pop().ok_or_else(|| Error::internal("the model answered nothing"))?;
        check_vector("vector", &made.vector, collection.dimension, collection.metric)
            .map_err(|error| unusable(&error))?;
        Ok(Some(made))
    }

    /// Takes up another model: one that this server has.
    pub(crate) async fn reembed(
        &self,
        known: &Known,
        model: gamemesh_domain::memory::Model,
    ) -> Result<Arc<Known>> {
        let with = Collection { model, ..known.collection.clone() };
        if self.embedder_of(&with).is_none() {
            let what = "accepts the model of this server, with the collection's dimension";
            return Err(Error::invalid("model", what));
        }
        if with.model == known.collection.model {
            self.unembedded.notify_one();
            return Ok(Arc::new(known.clone()));
        }
        let actual = known.collection.version;
        let collection = Collection { version: actual + 1, ..with };
        let taken = self
            .write_collection(Known { collection, created_us: known.created_us }, actual)
            .await?;
        self.unembedded.notify_one();
        Ok(taken)
    }

    /// Makes vectors until it is told to stop.
    pub(crate) async fn embed(&self, stop: CancellationToken) {
        let mut retry = RETRY_FIRST;
        if self.config.embedder.is_none() {
            return stop.cancelled().await;
        }
        while !stop.is_cancelled() {
            let made = self.metrics.embedded.get();
            let rest = match stop.run_until_cancelled(self.embed_what_waits()).await {
                None => return,
                Some(Ok(())) => {
                    retry = RETRY_FIRST;
                    REST
                }
                Some(Err(error)) => {
                    self.metrics.embedding_failures.inc();
                    tracing::warn!(%error, "vectors could not be made");
                    *self.embedding_error.lock() = error.message;
                    // A model that is only busy is not left alone for ever longer.
                    if self.metrics.embedded.get() > made {
                        retry = RETRY_FIRST;
                    }
                    let rest = retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    rest
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
                () = self.unembedded.notified(), if rest == REST => {}
            }
        }
    }

    pub(crate) fn last_embedding_error(&self) -> String {
        self.embedding_error.lock().clone()
    }

    async fn embed_what_waits(&self) -> Result<()> {
        for known in self.collections().await? {
            let collection = &known.collection;
            let Some(embedder) = self.embedder_of(collection) else { continue };
            self.mark_outdated(collection).await?;
            loop {
                let name = collection.name.as_str();
                let waiting = EmbeddingState::Pending;
                let rows = self
                    .tables
                    .memories_embedded(name, waiting, None, embedder.batch_max())
                    .await?;
                if rows.is_empty() {
                    break;
                }
                self.embed_rows(collection, &**embedder, rows).await?;
            }
        }
        Ok(())
    }

    /// Vectors of another model wait to be made anew.
    async fn mark_outdated(&self, collection: &Collection) -> Result<()> {
        let (name, model) = (collection.name.as_str(), model_text(&collection.model));
        for state in [EmbeddingState::Done, EmbeddingState::None, EmbeddingState::Failed] {
            let mut after = None;
            loop {
                let rows = self.tables.memories_embedded(name, state, after, ROWS_AT_ONCE).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.id);
                let is_outdated =
                    |row: &MemoryRow| row.model != model || state == EmbeddingState::None;
                for mut row in rows.into_iter().filter(is_outdated) {
                    row.embedding = EmbeddingState::Pending;
                    row.model.clone_from(&model);
                    row.vector = None;
                    self.put_row(collection, row).await?;
                }
            }
        }
        Ok(())
    }

    async fn embed_rows(
        &self,
        collection: &Collection,
        embedder: &dyn Embedder,
        rows: Vec<MemoryRow>,
    ) -> Result<()> {
        let texts: Vec<String> = rows.iter().map(|row| row.text.clone()).collect();
        let made = match embedder.embed(&texts).await {
            Ok(made) => made.into_iter().map(Ok).collect(),
            // One of them is not to its liking: which one shows when they go alone.
            Err(Refused::Text(_)) => one_by_one(embedder, &texts).await?,
            Err(refused @ Refused::Away(_)) => return Err(refused.into_error()),
        };
        for (mut row, made) in rows.into_iter().zip::<Vec<Result<Embedded, String>>>(made) {
            let checked = made.and_then(|made| {
                check_vector("vector", &made.vector, collection.dimension, collection.metric)
                    .map(|()| made.vector)
                    .map_err(|error| error.message)
            });
            match checked {
                Ok(vector) => {
                    row.embedding = EmbeddingState::Done;
                    row.vector = Some(vector);
                    self.metrics.embedded.inc();
                }
                Err(why) => {
                    row.embedding = EmbeddingState::Failed;
                    *self.embedding_error.lock() = why;
                }
            }
            row.model = model_text(&collection.model);
            self.put_row(collection, row).await?;
        }
        Ok(())
    }

    /// A vector is no change of what is remembered, so the version stays. Whoever changed the memory
    /// meanwhile has it embedded again.
    async fn put_row(&self, collection: &Collection, row: MemoryRow) -> Result<()> {
        let (touched, expected) = (row.readers.clone(), row.version);
        let replace = MemoryChange::Replace { row: Box::new(row), expected, left: Vec::new() };
        self.change(collection, vec![replace], &touched).await.map(drop)
    }
}

async fn one_by_one(
    embedder: &dyn Embedder,
    texts: &[String],
) -> Result<Vec<Result<Embedded, String>>> {
    let mut made = Vec::with_capacity(texts.len());
    for text in texts {
        match embedder.embed(std::slice::from_ref(text)).await {
            Ok(mut one) => made.push(one.pop().ok_or_else(|| "no vector was answered".to_owned())),
            Err(Refused::Text(why)) => made.push(Err(why)),
            Err(refused @ Refused::Away(_)) => return Err(refused.into_error()),
        }
    }
    Ok(made)
}

fn unusable(error: &Error) -> Error {
    Error::new(Code::DependencyUnavailable, "the model answered a vector that cannot be used")
        .with_context(&error.message)
}
