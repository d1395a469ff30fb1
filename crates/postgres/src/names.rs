//! Names of streams by the numbers that events carry, as far as they were read lately. Neither ever
//! changes, so that a reader along a lane need not join each event with its stream.

use std::collections::HashMap;

use gamemesh_repository::{LogError, StreamName};
use parking_lot::Mutex;
use sqlx::PgConnection;

use crate::error::log_error;

/// Names in one of two generations, about a hundred bytes each. When the younger one is full, the older
/// is forgotten.
const NAMES_MAX: usize = 16_384;

#[derive(Default)]
pub(crate) struct Names(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<i64, StreamName>,
    old: HashMap<i64, StreamName>,
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
        self.0.lock().keep(read);
        Ok(names)
    }

    fn known(&self, streams: &[i64]) -> Vec<Option<StreamName>> {
        let mut names = self.0.lock();
        streams.iter().map(|&stream| names.get(stream)).collect()
    }
}

impl Generations {
    fn get(&mut self, stream: i64) -> Option<StreamName> {
        if let Some(name) = self.young.get(&stream) {
            return Some(name.clone());
        }
        let name = self.old.remove(&stream)?;
        self.keep([(stream, name.clone())]);
        Some(name)
    }

    fn keep(&mut self, names: impl IntoIterator<Item = (i64, StreamName)>) {
        for (stream, name) in names {
            if self.young.len() >= NAMES_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(stream, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let name = |n: i64| StreamName::new("guild", &n.to_string());
        let mut names = Generations::default();
        let count = NAMES_MAX as i64;
        names.keep((0..count).map(|n| (n, name(n))));
        names.keep([(count, name(count))]);
        assert_eq!(names.get(7), Some(name(7)), "it moves to the young");
        names.keep((count + 1..2 * count).map(|n| (n, name(n))));
        assert_eq!((names.get(7), names.get(8)), (Some(name(7)), None));
        assert!(names.young.len() + names.old.len() <= 2 * NAMES_MAX);
    }
}
