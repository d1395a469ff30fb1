//! The one statement that writes a batch.

use gamemesh_repository::batch::{Planned, encode_kept};
use sqlx::postgres::{PgBindIterExt, PgConnection};

use crate::types::Uuid;

const APPEND_BATCH: &str = "SELECT append_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
     $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)";

/// Whether the batch is written; false: a lane has moved on, and nothing is. `epochs`: of its lanes, in
/// their order.
pub(super) async fn append_batch(
    connection: &mut PgConnection,
    planned: &Planned,
    epochs: &[i64],
) -> sqlx::Result<bool> {
    let lanes = || planned.lanes.iter();
    let events = || lanes().flat_map(|lane| &lane.events);
    let marks = || lanes().flat_map(|lane| &lane.marks);
    let keys = || planned.keys.iter();
    let new_streams = || planned.new_streams.iter();
    sqlx::query_scalar(APPEND_BATCH)
        .bind(Uuid(planned.batch))
        .bind(lanes().map(|lane| lane.lane.0 as i16).bind_iter())
        .bind(epochs)
        .bind(lanes().map(|lane| lane.durable as i64).bind_iter())
        .bind(lanes().map(|lane| lane.last_position as i64).bind_iter())
        .bind(lanes().map(|lane| lane.last_time_us).bind_iter())
        .bind(lanes().map(|lane| lane.last_stream).bind_iter())
        .bind(lanes().map(|lane| &lane.chain.0[..]).bind_iter())
        .bind(new_streams().map(|(id, _)| *id).bind_iter())
        .bind(new_streams().map(|(_, name)| name.as_str().as_bytes()).bind_iter())
        .bind(events().map(|event| event.position as i64).bind_iter())
        .bind(marks().map(|(stream, _)| *stream).bind_iter())
        .bind(events().map(|event| event.version as i64).bind_iter())
        .bind(events().map(|event| event.time_us).bind_iter())
        .bind(marks().map(|(_, crc)| *crc as i32).bind_iter())
        .bind(events().map(|event| event.lane.0 as i16).bind_iter())
        .bind(events().map(|event| Uuid(event.id)).bind_iter())
        .bind(events().map(|event| &*event.kind).bind_iter())
        .bind(events().map(|event| &event.data[..]).bind_iter())
        .bind(events().map(|event| &event.meta[..]).bind_iter())
        .bind(keys().map(|key| key.appended.time_us).bind_iter())
        .bind(keys().map(|key| key.lane.0 as i16).bind_iter())
        .bind(keys().map(|key| key.key.as_bytes()).bind_iter())
        .bind(keys().map(|key| &key.fingerprint[..]).bind_iter())
        .bind(keys().map(|key| encode_kept(&key.appended.streams, true)).bind_iter())
        .fetch_one(connection)
        .await
}
