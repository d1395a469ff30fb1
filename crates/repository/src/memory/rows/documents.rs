//! [`DocumentTables`].

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::super::MemoryStore;
use crate::{AggregateRow, DocumentTables, ListPage, LogError};

#[derive(Default)]
pub(crate) struct Documents(BTreeMap<(String, String), AggregateRow>);

impl Documents {
    pub(super) fn write(&mut self, rows: Vec<AggregateRow>) {
        for row in rows {
            self.0.insert((row.aggregate_type.clone(), row.id.clone()), row);
        }
    }

    fn list(&self, aggregate_type: &str, after: Option<&str>, limit: usize) -> ListPage {
        let mut rows: Vec<_> = self
            .0
            .values()
            .filter(|row| row.aggregate_type == aggregate_type && !row.deleted)
            .filter(|row| after.is_none_or(|after| row.id.as_str() > after))
            .take(limit.saturating_add(1))
            .cloned()
            .collect();
        let more = rows.len() > limit;
        rows.truncate(limit);
        ListPage { rows, more }
    }
}

#[async_trait]
impl DocumentTables for MemoryStore {
    async fn aggregate(
        &self,
        aggregate_type: &str,
        id: &str,
    ) -> Result<Option<AggregateRow>, LogError> {
        let key = (aggregate_type.to_owned(), id.to_owned());
        Ok(self.state.lock().rows.documents.0.get(&key).cloned())
    }

    async fn list(
        &self,
        aggregate_type: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage, LogError> {
        Ok(self.state.lock().rows.documents.list(aggregate_type, after, limit))
    }
}
