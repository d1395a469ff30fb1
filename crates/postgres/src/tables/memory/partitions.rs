//! The months of history. All bounds are in UTC, whatever zone a session has.

use gamemesh_repository::HistoryPartition;
use sqlx::{Connection as _, PgConnection};

use crate::types::Timestamp;

/// Whoever makes or detaches months holds this lock. It says `months`.
const ADVISORY_LOCK: i64 = 0x6d6f_6e74_6873;

/// Months that one call makes at most.
const MONTHS_MAX: usize = 2_400;

const DAY_US: i64 = 86_400_000_000;

/// A month of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Month {
    year: i64,
    /// 1 to 12.
    number: i64,
}

impl Month {
    fn of(time_us: i64) -> Self {
        // Days to civil date, by eras of 400 years.
        let days = time_us.div_euclid(DAY_US) + 719_468;
        let era = days.div_euclid(146_097);
        let day = days.rem_euclid(146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let in_year = day - (365 * year + year / 4 - year / 100);
        let shifted = (5 * in_year + 2) / 153;
        let number = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year + era * 400 + i64::from(number <= 2);
        Self { year, number }
    }

    const fn next(self) -> Self {
        match self.number {
            12 => Self { year: self.year + 1, number: 1 },
            number => Self { year: self.year, number: number + 1 },
        }
    }

    fn table(self) -> String {
        format!("player_history_{:04}_{:02}", self.year, self.number)
    }

    fn start(self) -> String {
        format!("{:04}-{:02}-01 00:00:00+00", self.year, self.number)
    }
}

pub(super) async fn make(
    connection: &mut PgConnection,
    from_us: i64,
    until_us: i64,
) -> sqlx::Result<()> {
    let last = Month::of(until_us - 1);
    let mut month = Month::of(from_us);
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    for _ in 0..MONTHS_MAX {
        // A statement of this kind takes no parameters; all names and bounds are our own.
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} PARTITION OF player_history \
             FOR VALUES FROM ('{}') TO ('{}')",
            month.table(),
            month.start(),
            month.next().start()
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await?;
        if month == last {
            break;
        }
        month = month.next();
    }
    transaction.commit().await
}

pub(super) async fn list(connection: &mut PgConnection) -> sqlx::Result<Vec<HistoryPartition>> {
    // The bounds are read from what the server shows of them, in UTC.
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql("SET LOCAL TimeZone = 'UTC'").execute(&mut *transaction).await?;
    let rows: Vec<(String, Timestamp, Timestamp, i64)> = sqlx::query_as(
        "SELECT name, (m[1])::timestamptz, (m[2])::timestamptz, entries FROM ( \
           SELECT c.relname::text AS name, greatest(c.reltuples, 0)::bigint AS entries, \
             regexp_match(pg_get_expr(c.relpartbound, c.oid), \
               'FROM \\(''([^'']+)''\\) TO \\(''([^'']+)''\\)') AS m \
           FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
           WHERE i.inhparent = 'player_history'::regclass) AS p WHERE m IS NOT NULL ORDER BY 2",
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let partition =
        |(name, Timestamp(from_us), Timestamp(until_us), entries): (String, _, _, i64)| {
            HistoryPartition { name, from_us, until_us, entries: entries as u64 }
        };
    Ok(rows.into_iter().map(partition).collect())
}

/// Only what is a month of history is detached, whatever name was asked for.
pub(super) async fn detach(connection: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    let months = list(connection).await?;
    let Some(month) = months.iter().find(|month| month.name == name) else { return Ok(false) };
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    let sql = format!("ALTER TABLE player_history DETACH PARTITION {}", month.name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn lock(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(ADVISORY_LOCK)
        .execute(connection)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let cases = [
            (0, 1970, 1),
            (-1, 1969, 12),
            (951_782_400_000_000, 2000, 2),
            (951_868_800_000_000, 2000, 3),
            (1_772_323_199_999_999, 2026, 2),
            (1_772_323_200_000_000, 2026, 3),
            (1_798_761_599_999_999, 2026, 12),
            (1_798_761_600_000_000, 2027, 1),
        ];
        for (time_us, year, number) in cases {
            assert_eq!(Month::of(time_us), Month { year, number }, "{time_us}");
        }
        assert_eq!(Month { year: 2026, number: 12 }.next().start(), "2027-01-01 00:00:00+00");
        assert_eq!(Month { year: 2026, number: 3 }.table(), "player_history_2026_03");
    }
}
