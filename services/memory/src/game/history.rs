//! The history of players, and the months that it is kept in.

use std::time::Duration;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::memory::Name;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_feed::{Claim, Kind, parameters};
use gamemesh_repository::{HistoryAppended, HistoryMark, HistoryRow};
use tokio_util::sync::CancellationToken;
use uuid::{NoContext, Timestamp, Uuid};

use super::Game;
use crate::convert::json;
use crate::convert::time::from_timestamp;
use crate::convert::value::from_struct;

/// Entries of one request.
const ENTRIES_MAX: usize = 1_000;

/// The context of an entry, as JSON in bytes.
const CONTEXT_BYTES_MAX: usize = 16 << 10;

/// From 2000 to 2199.
const TIMES_US: std::ops::Range<i64> = 946_684_800_000_000..7_258_118_400_000_000;

const DAY_US: i64 = 86_400_000_000;

/// Months are made so far ahead: three of them, and a day.
const AHEAD_US: i64 = 93 * DAY_US;

/// How often it is looked whether months are missing.
const LOOK: Duration = Duration::from_secs(3_600);

impl Game {
    /// Appends entries; the player of each may be left empty where `player` is given.
    pub(crate) async fn append_history(
        &self,
        player: Option<&str>,
        entries: Vec<pb::HistoryEntry>,
    ) -> Result<(Vec<String>, i32, String)> {
        if !(1..=ENTRIES_MAX).contains(&entries.len()) {
            return Err(Error::invalid("entries", format!("accepts 1 to {ENTRIES_MAX}")));
        }
        let numbered = entries.into_iter().enumerate();
        let rows: Vec<HistoryRow> =
            numbered.map(|(at, entry)| self.row(at, player, entry)).collect::<Result<_>>()?;
        let ids = rows.iter().map(|row| row.entry_id.to_string()).collect();
        let HistoryAppended { repeated, mark } = self.tables.append_history(rows).await?;
        let repeated = repeated.into_iter().filter(|repeated| *repeated).count() as i32;
        Ok((ids, repeated, self.history_token(mark)))
    }

    fn history_token(&self, mark: HistoryMark) -> String {
        let HistoryMark(number) = mark;
        let parameters = parameters(&["history"], 0);
        let claim = Claim { parameters, key: number.to_string(), ..Claim::default() };
        self.documents.tokens.issue(Kind::Read, &claim, self.clock.now_micros())
    }

    /// What a token of an append names; nothing for no token.
    pub(crate) fn history_mark(&self, token: &str) -> Result<Option<HistoryMark>> {
        if token.is_empty() {
            return Ok(None);
        }
        let (bound, now_us) = (parameters(&["history"], 0), self.clock.now_micros());
        let claim = self.documents.tokens.check("token", token, Kind::Read, bound, now_us)?;
        // Tokens are signed, so that nothing else stands in one.
        Ok(claim.key.parse().ok().map(HistoryMark))
    }

    fn row(&self, at: usize, player: Option<&str>, entry: pb::HistoryEntry) -> Result<HistoryRow> {
        let name = |field: &str| format!("entries[{at}].{field}");
        let player_id = match (player, &*entry.player_id) {
            (Some(player), "") => player,
            (Some(player), named) if player != named => {
                let what = "accepts the player of the path, or nothing";
                return Err(Error::invalid(name("playerId"), what));
            }
            (_, named) => named,
        };
        let now_us = self.clock.now_micros();
        let (entry_id, time_us) = match (&*entry.entry_id, &entry.time) {
            ("", time) => {
                let seconds = now_us.div_euclid(1_000_000).max(0) as u64;
                let nanos = now_us.rem_euclid(1_000_000) as u32 * 1_000;
                let id = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos));
                let time = time.as_ref().map(|time| from_timestamp(&name("time"), time));
                (id, time.transpose()?.unwrap_or(now_us))
            }
            (_, None) => {
                let what =
                    "is required with an id of your own: it tells a retry from another entry";
                return Err(Error::invalid(name("time"), what));
            }
            (id, Some(time)) => {
                let id = Uuid::parse_str(id)
                    .map_err(|_| Error::invalid(name("entryId"), "accepts a UUID"))?;
                (id, from_timestamp(&name("time"), time)?)
            }
        };
        if !TIMES_US.contains(&time_us) {
            return Err(Error::invalid(name("time"), "accepts 2000 to 2199"));
        }
        let context = from_struct(&name("context"), entry.context.unwrap_or_default())?;
        let context = json::text(&context);
        if context.len() > CONTEXT_BYTES_MAX {
            return Err(Error::invalid(name("context"), "accepts at most 16384 bytes as JSON"));
        }
        Ok(HistoryRow {
            player_id: Name::parse(&name("playerId"), player_id)?.to_string(),
            time_us,
            entry_id,
            action: Name::parse(&name("action"), &entry.action)?.to_string(),
            context,
        })
    }

    /// The months from the last to those ahead.
    pub(super) async fn make_partitions(&self) -> Result<()> {
        let now_us = self.clock.now_micros();
        let until_us = now_us.saturating_add(AHEAD_US);
        Ok(self.tables.make_history_partitions(now_us - 31 * DAY_US, until_us).await?)
    }

    pub(super) async fn keep_partitions(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            if let Err(error) = self.make_partitions().await {
                tracing::error!(%error, "the months of history ahead could not be made");
            }
        }
    }

    pub(crate) async fn detach_partition(&self, name: &str) -> Result<()> {
        let months = self.tables.history_partitions().await?;
        let not_found = || Error::new(Code::NotFound, format!("month {name:?} does not exist"));
        let month = months.iter().find(|month| month.name == name).ok_or_else(not_found)?;
        if month.until_us > self.clock.now_micros() {
            let message = format!("{name} has not ended: what is done now goes there");
            return Err(Error::new(Code::OperationRefused, message));
        }
        match self.tables.detach_history_partition(name).await? {
            true => Ok(()),
            false => Err(not_found()),
        }
    }
}
