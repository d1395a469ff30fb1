//! One batch, one transaction, one commit.

use std::sync::LazyLock;

use gamemesh_repository::batch::{Planned, encode_kept};
use gamemesh_repository::{Epoch, Idempotency, LogError, fault_fails, fault_point};
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::queue::AuxiliaryWrite;
use super::{cursors, snapshots};
use crate::error::log_error;
use crate::rows::RowStatement;

/// Keys that a batch forgets beyond twice those that it adds.
const FORGOTTEN_KEYS_EXTRA: i64 = 64;

static STREAMS: LazyLock<RowStatement> =
    LazyLock::new(|| RowStatement::new("INSERT INTO stream (id, name)", 2, ""));

static EVENTS: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "INSERT INTO event (position, stream, version, time_us, id, crc, kind, data, meta)",
        9,
        "",
    )
});

static KEYS: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "INSERT INTO idempotency (first_position, key, fingerprint, time_us, streams)",
        5,
        "",
    )
});

/// A write beside the log; `result` is its own refusal, if there was one.
pub(super) struct Staged {
    pub(super) write: Box<AuxiliaryWrite>,
    pub(super) reply: oneshot::Sender<Result<(), LogError>>,
    pub(super) result: Result<(), LogError>,
}

/// Why a transaction failed, and whether it may have taken effect all the same.
pub(super) struct Failure {
    pub(super) error: LogError,
    pub(super) in_doubt: bool,
}

/// Writes what is planned and the auxiliary writes. One of those that is refused does not fail the
/// others.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    planned: &Planned,
    auxiliary: &mut [Staged],
) -> Result<(), Failure> {
    let definite = |error| Failure { error: log_error(error), in_doubt: false };
    run(connection, "BEGIN IMMEDIATE").await.map_err(definite)?;
    if !planned.is_empty() {
        insert(connection, planned).await.map_err(definite)?;
    }
    for staged in auxiliary {
        staged.result = under_savepoint(connection, &staged.write)
            .await
            .map_err(|error| Failure { error, in_doubt: false })?;
    }
    fault_point("sqlite.before_commit");
    let committed = run(connection, "COMMIT").await;
    let in_doubt = |error| Failure { error, in_doubt: true };
    if committed.is_ok() && fault_fails("sqlite.commit_reply") {
        return Err(in_doubt(LogError::Unavailable("the reply was lost".to_owned())));
    }
    committed.map_err(log_error).map_err(in_doubt)
}

pub(super) async fn run(connection: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<()> {
    sqlx::query(sql).execute(connection).await.map(drop)
}

async fn insert(connection: &mut SqliteConnection, planned: &Planned) -> sqlx::Result<()> {
    // The only lane.
    let lane = &planned.lanes[0];
    STREAMS
        .execute(connection, planned.new_streams.iter(), |row, (id, name)| {
            row.bind(*id).bind(name.as_str());
        })
        .await?;
    EVENTS
        .execute(connection, lane.events.iter().zip(&lane.marks), |row, (event, mark)| {
            let (stream, crc) = *mark;
            row.bind(event.position as i64)
                .bind(stream)
                .bind(event.version as i64)
                .bind(event.time_us)
                .bind(&event.id.as_bytes()[..])
                .bind(i64::from(crc))
                .bind(event.kind.clone())
                .bind(&event.data[..])
                .bind(&event.meta[..]);
        })
        .await?;
    fault_point("sqlite.mid_batch");
    sqlx::query("INSERT INTO batch (first_position, events, id, chain) VALUES (?1, ?2, ?3, ?4)")
        .bind(lane.durable as i64 + 1)
        .bind(lane.events.len() as i64)
        .bind(&planned.batch.as_bytes()[..])
        .bind(&lane.chain.0[..])
        .execute(&mut *connection)
        .await?;
    if planned.keys.is_empty() {
        return Ok(());
    }
    KEYS.execute(connection, planned.keys.iter(), |row, key| {
        row.bind(key.first_position as i64)
            .bind(key.key.as_str())
            .bind(&key.fingerprint[..])
            .bind(key.appended.time_us)
            .bind(encode_kept(&key.appended.streams, false));
    })
    .await?;
    forget_keys(connection, planned).await
}

/// The oldest keys are the first rows, so forgetting never searches.
async fn forget_keys(connection: &mut SqliteConnection, planned: &Planned) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM idempotency WHERE time_us < ?1 AND first_position IN \
         (SELECT first_position FROM idempotency ORDER BY first_position LIMIT ?2)",
    )
    .bind(planned.lanes[0].last_time_us.saturating_sub(Idempotency::WINDOW_US))
    .bind(2 * planned.keys.len() as i64 + FORGOTTEN_KEYS_EXTRA)
    .execute(connection)
    .await
    .map(drop)
}

/// One write under its own savepoint. The outer error is one of the storage, which fails the batch.
async fn under_savepoint(
    connection: &mut SqliteConnection,
    write: &AuxiliaryWrite,
) -> Result<Result<(), LogError>, LogError> {
    run(connection, "SAVEPOINT auxiliary").await.map_err(log_error)?;
    let result = match write {
        AuxiliaryWrite::PutSnapshot(snapshot) => snapshots::put(connection, snapshot).await,
        AuxiliaryWrite::ForgetSnapshots(stream) => snapshots::forget(connection, stream).await,
        AuxiliaryWrite::Advance(from, to) => cursors::advance(connection, *from, to).await,
        AuxiliaryWrite::Write(projected) => cursors::write(connection, projected).await,
        AuxiliaryWrite::Reset(projection) => cursors::reset(connection, projection).await,
        AuxiliaryWrite::Clear(projection, sets) => {
            cursors::clear(connection, projection, sets).await
        }
        AuxiliaryWrite::Memory(work) => work.run(connection).await,
        AuxiliaryWrite::Stats(work) => work.run(connection).await,
        AuxiliaryWrite::RaiseOwnerEpoch(epoch) => raise_owner_epoch(connection, *epoch).await,
    };
    match result {
        Ok(()) => {
            run(connection, "RELEASE auxiliary").await.map_err(log_error)?;
            Ok(Ok(()))
        }
        Err(error @ (LogError::Fenced | LogError::Internal(_))) => {
            run(connection, "ROLLBACK TO auxiliary").await.map_err(log_error)?;
            run(connection, "RELEASE auxiliary").await.map_err(log_error)?;
            Ok(Err(error))
        }
        Err(error) => Err(error),
    }
}

async fn raise_owner_epoch(
    connection: &mut SqliteConnection,
    epoch: Epoch,
) -> Result<(), LogError> {
    sqlx::query("UPDATE lane SET owner_epoch = max(owner_epoch, ?1)")
        .bind(epoch as i64)
        .execute(connection)
        .await
        .map(drop)
        .map_err(log_error)
}
