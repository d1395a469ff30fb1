//! The collections, as they are in the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_domain::memory::{Collection, Name};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::MemoryTables;
use parking_lot::RwLock;

use super::Engine;
use crate::convert::collection::{Known, from_row, to_row};

/// Collections of a store.
const COLLECTIONS_MAX: usize = 1_000;

/// How old what is known may be where other instances make collections, too.
const AGE_MAX: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Collections(RwLock<State>);

#[derive(Default)]
struct State {
    known: BTreeMap<Name, Arc<Known>>,
    read_at: Option<Instant>,
}

impl Collections {
    pub(super) async fn load(&self, tables: &dyn MemoryTables) -> Result<()> {
        let read_at = Some(Instant::now());
        let rows = tables.collections().await?;
        let known = rows.iter().map(|row| {
            let known = from_row(row)?;
            Ok((known.collection.name.clone(), Arc::new(known)))
        });
        let known = known.collect::<Result<_>>()?;
        *self.0.write() = State { known, read_at };
        Ok(())
    }

    pub(super) async fn get(&self, tables: &dyn MemoryTables, name: &Name) -> Result<Arc<Known>> {
        let (found, is_old) = {
            let state = self.0.read();
            let is_old = state.read_at.is_none_or(|at| at.elapsed() > AGE_MAX);
            (state.known.get(name).cloned(), is_old)
        };
        match found {
            Some(known) if !(tables.is_shared() && is_old) => Ok(known),
            None if !tables.is_shared() => Err(unknown(name)),
            _ => {
                self.load(tables).await?;
                self.0.read().known.get(name).cloned().ok_or_else(|| unknown(name))
            }
        }
    }

    fn all(&self) -> Vec<Arc<Known>> {
        self.0.read().known.values().cloned().collect()
    }
}

fn unknown(name: &Name) -> Error {
    Error::new(Code::NotFound, format!("collection {name} does not exist"))
        .with_fact("collectionId", name)
}

impl Engine {
    pub(crate) async fn collections(&self) -> Result<Vec<Arc<Known>>> {
        if self.tables.is_shared() {
            self.collections.load(&*self.tables).await?;
        }
        Ok(self.collections.all())
    }

    /// Makes or changes a collection. What all vectors rest on cannot be changed.
    pub(crate) async fn put_collection(
        &self,
        asked: Collection,
        expected: Option<u64>,
    ) -> Result<Arc<Known>> {
        self.collections.load(&*self.tables).await?;
        let name = asked.name.clone();
        let present = self.collections.0.read().known.get(&name).cloned();
        let actual = present.as_ref().map_or(0, |known| known.collection.version);
        if let Some(expected) = expected
            && expected != actual
        {
            return Err(conflict(actual));
        }
        if present.is_none() && self.collections.all().len() >= COLLECTIONS_MAX {
            let message = format!("there are {COLLECTIONS_MAX} collections, and no room for more");
            return Err(Error::new(Code::OperationRefused, message));
        }
        if let Some(present) = &present {
            keeps_what_vectors_rest_on(&present.collection, &asked)?;
        }
        let created_us = present.map_or_else(|| self.clock.now_micros(), |known| known.created_us);
        let known = Known { collection: Collection { version: actual + 1, ..asked }, created_us };
        self.write_collection(known, actual).await
    }

    pub(super) async fn write_collection(&self, known: Known, actual: u64) -> Result<Arc<Known>> {
        let written = self.tables.put_collection(to_row(&known), actual).await?;
        self.collections.load(&*self.tables).await?;
        written.map_err(conflict)?;
        Ok(Arc::new(known))
    }
}

fn conflict(actual: u64) -> Error {
    Error::new(Code::VersionConflict, format!("the collection is at version {actual}"))
        .with_fact("actualVersion", actual)
}

fn keeps_what_vectors_rest_on(present: &Collection, asked: &Collection) -> Result<()> {
    if present.dimension != asked.dimension {
        let what = format!("is {} and cannot be changed", present.dimension.get());
        return Err(Error::invalid("collection.dimension", what));
    }
    if present.metric != asked.metric {
        let what = format!("is {} and cannot be changed", present.metric.as_str());
        return Err(Error::invalid("collection.metric", what));
    }
    present.check_model(&asked.model)
}
