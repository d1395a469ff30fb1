//! Names of streams by the numbers that events carry, as far as they were read lately. Neither ever
//! changes, so that a reader along a lane need not join each event with its stream.

use std::collections::HashMap;

use gamemesh_repository::{Generations, LogError, StreamName};
use parking_lot::Mutex;
use sqlx::PgConnection;

use crate::error::log_error;

/// Names in one of two generations, about a hundred bytes each.
const NAMES_MAX: usize = 16_384;

pub(crate) struct Names(Mutex<Generations<i64, StreamName>>);

impl Default for Names {
    fn default() -> Self {
        Self(Mutex::new(Generations::new(NAMES_MAX)))
    }
}

impl Names {
    /// The name of each of these streams, `None` where the store has no such stream.
    pub(crate) async fn of(
        &self,
        connection: &mut PgConnection,
        streams: &[i64],
    ) -> Result<Vec<Option<StreamName>>, LogError> {
        let mut names = self.known(streams);
        let named = streams.iter().zip(&names);
        let mut unknown: Vec<i64> =
            named.filter(|(_, name)| name.is_none()).map(|(stream, _)| *stream).collect();
        if unknown.is_empty() {
            return Ok(names);
        }
        unknown.sort_unstable();
        unknown.dedup();
        let rows: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT id, name FROM stream WHERE id = ANY($1)")
                .bind(&unknown)
                .fetch_all(connection)
                .await
                .map_err(log_error)?;
        let read: HashMap<i64, StreamName> = rows
            .into_iter()
            .filter_map(|(stream, name)| {
                Some((stream, StreamName::parse(std::str::from_utf8(&name).ok()?)?))
            })
            .collect();
        for (stream, name) in streams.iter().zip(&mut names) {
            if name.is_none() {
                *name = read.get(stream).cloned();
            }
        }
        let mut kept = self.0.lock();
        read.into_iter().for_each(|(stream, name)| kept.put(stream, name));
        drop(kept);
        Ok(names)
    }

    fn known(&self, streams: &[i64]) -> Vec<Option<StreamName>> {
        let mut names = self.0.lock();
        streams.iter().map(|stream| names.revive(stream).cloned()).collect()
    }
}
