//! From the log to the tables: blocks become rows, with the cursor that they bring the tables to.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_repository::{
    CombatEventRow, CombatPlayerRow, CombatRows, CombatSessionRow, Cursor, Cursors, Event,
    EventLog, Lane, LogError, Position, Projected, TableRows, TableWriter,
};
use prost::Message as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::convert;
use crate::socket::event_json;
use crate::stored::{BLOCK, Block};

/// Name of the cursor.
const CURSOR: &str = "combat-tables";

/// Log events of one batch.
const BATCH_EVENTS_MAX: usize = 200;

/// After a failure, the next try; after another instance has moved the cursor, the next look at it.
const RETRY: Duration = Duration::from_millis(500);
const TAKEOVER: Duration = Duration::from_secs(2);

/// Fills the tables from every lane.
#[derive(Clone)]
pub(crate) struct Projector {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) cursors: Arc<dyn Cursors>,
    pub(crate) tables: Arc<dyn TableWriter>,
}

impl Projector {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut lanes = JoinSet::new();
        for lane in 0..self.log.lanes() {
            let (projector, stop) = (self.clone(), stop.clone());
            lanes.spawn(async move { projector.lane(Lane(lane), &stop).await });
        }
        lanes.join_all().await;
    }

    async fn lane(&self, lane: Lane, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.follow(lane, stop).await {
                Ok(()) => return,
                Err(LogError::Fenced) => TAKEOVER,
                Err(error) => {
                    tracing::warn!(lane = lane.0, %error, "the tables of combat are behind");
                    RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn follow(&self, lane: Lane, stop: &CancellationToken) -> Result<(), LogError> {
        let mut position = self.cursors.cursor(CURSOR, lane).await?.position;
        let mut tail = self.log.tail(lane);
        loop {
            tail.mark_unchanged();
            let events = self.log.read_lane(lane, position, BATCH_EVENTS_MAX).await?;
            let Some(last) = events.last() else {
                tokio::select! {
                    changed = tail.changed() => if changed.is_err() { return Ok(()) },
                    () = stop.cancelled() => return Ok(()),
                }
                continue;
            };
            let to = last.position;
            self.write(lane, position, to, rows(&events)).await?;
            position = to;
        }
    }

    async fn write(
        &self,
        lane: Lane,
        from: Position,
        position: Position,
        rows: CombatRows,
    ) -> Result<(), LogError> {
        let to = Cursor { projection: CURSOR.to_owned(), lane, position };
        if rows.is_empty() {
            return self.cursors.advance(from, to).await;
        }
        self.tables.write(Projected { from, to, rows: vec![TableRows::Combat(rows)] }).await
    }
}

/// The rows of some log events. A block that cannot be read has none: it is the log's to complain.
fn rows(events: &[Event]) -> CombatRows {
    let mut rows = CombatRows::default();
    for event in events.iter().filter(|event| &*event.kind == BLOCK) {
        match Block::read(&event.data) {
            Ok(block) => add(&mut rows, event, block),
            Err(error) => {
                tracing::error!(stream = %event.stream, version = event.version, %error, "a block is passed over");
            }
        }
    }
    rows
}

fn add(rows: &mut CombatRows, event: &Event, block: Block) {
    let session_id = event.stream.key();
    for told in block.told {
        let Some(happened) = told.event else { continue };
        let Some(what) = &happened.event else { continue };
        let player = convert::event::players(what).first().map(|player| (*player).to_owned());
        let Ok(data) = event_json(&happened) else { continue };
        rows.events.push(CombatEventRow {
            session_id: session_id.to_owned(),
            number: told.number,
            kind: convert::event::kind(what).to_owned(),
            player_id: player,
            data,
            time_us: happened.time.map_or(event.time_us, |time| micros(&time)),
        });
    }
    rows.players.extend(block.players.into_iter().map(|player| CombatPlayerRow {
        player_id: player.player_id,
        session_id: session_id.to_owned(),
        score: player.score,
        updated_us: event.time_us,
        stats: player.stats,
    }));
    rows.sessions.extend(block.session.map(|session| row(&session, event.time_us)));
}

fn row(session: &pb::Session, updated_us: i64) -> CombatSessionRow {
    CombatSessionRow {
        session_id: session.session_id.clone(),
        name: session.name.clone(),
        kind: session.r#type.clone(),
        status: session.status.clone(),
        max_players: session.max_players,
        map_id: session.map_id.clone(),
        game_mode: session.game_mode.clone(),
        created_us: session.created_at.as_ref().map_or(updated_us, micros),
        started_us: session.started_at.as_ref().map(micros),
        ended_us: session.ended_at.as_ref().map(micros),
        updated_us,
        revision: session.revision,
        session: session.encode_to_vec().into(),
    }
}

fn micros(time: &prost_types::Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos) / 1_000)
}
