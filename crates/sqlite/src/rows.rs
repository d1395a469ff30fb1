//! Many rows in one statement.
//!
//! Each call into SQLite costs a hand-over to the connection's thread and back, about what ten
//! inserts cost. So rows go in by prepared statements of a few sizes; the places that a batch does
//! not fill stay NULL and are passed over.

use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type};

/// Rows of a statement. A statement is prepared when it is first needed.
const SIZES: [usize; 6] = [1, 4, 16, 64, 128, 256];

const SIZE_MAX: usize = SIZES[SIZES.len() - 1];

/// A statement over `(column1, column2, …)` rows, where `column1` is never NULL.
pub(crate) struct RowStatement {
    columns: usize,
    texts: [Arc<str>; SIZES.len()],
}

impl RowStatement {
    /// `before` and `after` stand around `SELECT * FROM (VALUES …) WHERE column1 IS NOT NULL`.
    pub(crate) fn new(before: &str, columns: usize, after: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(","));
        let texts = SIZES.map(|size| {
            let rows = vec![row.as_str(); size].join(",");
            format!("{before} SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL {after}")
                .into()
        });
        Self { columns, texts }
    }

    /// Runs the statement over all rows, in as few calls as there are.
    pub(crate) async fn execute<R>(
        &self,
        connection: &mut SqliteConnection,
        rows: impl ExactSizeIterator<Item = R>,
        mut bind: impl FnMut(&mut Binder, R),
    ) -> sqlx::Result<()> {
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let (text, size) = self.text_for(rows.len());
            let mut binder = Binder::with_capacity(size.min(rows.len()) * self.columns);
            for row in rows.by_ref().take(size) {
                bind(&mut binder, row);
            }
            sqlx::query_with(AssertSqlSafe(text), binder.finish()?)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    /// Statement and arguments for one chunk, for statements that answer rows.
    pub(crate) fn chunk<'a, R>(
        &self,
        chunk: &'a [R],
        mut bind: impl FnMut(&mut Binder, &'a R),
    ) -> sqlx::Result<(AssertSqlSafe<Arc<str>>, SqliteArguments)> {
        let (text, _) = self.text_for(chunk.len());
        let mut binder = Binder::with_capacity(chunk.len() * self.columns);
        for row in chunk {
            bind(&mut binder, row);
        }
        Ok((AssertSqlSafe(text), binder.finish()?))
    }

    /// Rows that one chunk may have.
    pub(crate) const CHUNK_MAX: usize = SIZE_MAX;

    fn text_for(&self, rows: usize) -> (Arc<str>, usize) {
        let at = SIZES.partition_point(|&size| size < rows).min(SIZES.len() - 1);
        (self.texts[at].clone(), SIZES[at])
    }
}

/// Collects the arguments of a statement.
#[derive(Default)]
pub(crate) struct Binder {
    arguments: SqliteArguments,
    failed: Option<sqlx::error::BoxDynError>,
}

impl Binder {
    fn with_capacity(arguments: usize) -> Self {
        let mut binder = Self::default();
        binder.arguments.reserve(arguments, 0);
        binder
    }

    pub(crate) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = Arguments::add(&mut self.arguments, value) {
            self.failed = Some(error);
        }
        self
    }

    fn finish(self) -> sqlx::Result<SqliteArguments> {
        self.failed.map_or(Ok(self.arguments), |error| Err(sqlx::Error::Encode(error)))
    }
}
