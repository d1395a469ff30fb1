//! Where the lanes end, as this instance knows it: its own commits at once, those of others by
//! looking at the rows of the lanes.

use std::time::Duration;

use gamemesh_repository::{Lane, LogError, Position};
use sqlx::PgConnection;
use tokio::sync::watch;

use crate::connect::{Connector, timely};
use crate::error::log_error;

/// Between two looks while others write.
const LOOK_MS_MIN: u64 = 5;

/// Between two looks while nobody else does: the time doubles up to this.
const LOOK_MS_MAX: u64 = 40;

/// Between two attempts to reach a server that is away.
const AWAY_MS: u64 = 250;

/// One sender for each lane. A position is only ever raised.
pub(crate) struct Tails(Vec<watch::Sender<Position>>);

impl Tails {
    pub(crate) fn new(positions: impl IntoIterator<Item = Position>) -> Self {
        Self(positions.into_iter().map(|position| watch::channel(position).0).collect())
    }

    /// Whether that was news.
    pub(crate) fn raise(&self, lane: Lane, position: Position) -> bool {
        self.0.get(usize::from(lane.0)).is_some_and(|tail| {
            tail.send_if_modified(|known| {
                let news = position > *known;
                *known = position.max(*known);
                news
            })
        })
    }

    pub(crate) fn subscribe(&self, lane: Lane) -> watch::Receiver<Position> {
        match self.0.get(usize::from(lane.0)) {
            Some(tail) => tail.subscribe(),
            None => watch::channel(0).1,
        }
    }
}

/// Positions of all lanes, in order.
pub(crate) async fn positions(connection: &mut PgConnection) -> Result<Vec<Position>, LogError> {
    let positions: Vec<i64> = sqlx::query_scalar("SELECT position FROM lane ORDER BY lane")
        .fetch_all(connection)
        .await
        .map_err(log_error)?;
    Ok(positions.into_iter().map(|position| position as Position).collect())
}

/// Looks until it is ended. A server that is away is tried again: this is also what closes the
/// breaker when there is no other traffic.
pub(crate) async fn look(connector: Connector, tails: std::sync::Arc<Tails>) {
    loop {
        if let Err(error) = look_on_one(&connector, &tails).await {
            tracing::debug!(%error, "looking at the lanes");
        }
        tokio::time::sleep(Duration::from_millis(AWAY_MS)).await;
    }
}

async fn look_on_one(connector: &Connector, tails: &Tails) -> Result<(), LogError> {
    let mut connection = connector.connect().await?;
    let mut pause_ms = LOOK_MS_MIN;
    loop {
        let looking = positions(&mut connection);
        let seen = timely(connector.reply_max, looking).await.and_then(|seen| seen);
        connector.note(&seen);
        let mut news = false;
        for (lane, position) in (0..).map(Lane).zip(seen?) {
            news |= tails.raise(lane, position);
        }
        pause_ms = if news { LOOK_MS_MIN } else { (pause_ms * 2).min(LOOK_MS_MAX) };
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}
