//! [`LaneLeases`].

use std::time::Duration;

use async_trait::async_trait;
use gamemesh_repository::{Epoch, Lane, LaneLeases, LaneOwner, LogError, Member, Membership};
use sqlx::{PgConnection, Row};
use tokio::sync::Mutex;

use crate::PostgresStore;
use crate::connect::{Connector, timely};
use crate::error::log_error;
use crate::types::Uuid;

/// The connection for leases, made when it is first needed. It is apart from those for reading: a
/// lease must not end because many read.
pub(crate) struct LeaseConnection {
    connector: Connector,
    connection: Mutex<Option<PgConnection>>,
}

/// Works on the connection, which is given up when it failed.
macro_rules! on {
    ($leases:expr, $connection:ident, $work:expr) => {{
        let leases = &$leases;
        let mut place = leases.connection.lock().await;
        let mut own = match place.take() {
            Some(connection) => connection,
            None => leases.connector.connect().await?,
        };
        let $connection: &mut PgConnection = &mut own;
        let working = timely(leases.connector.reply_max, async { $work });
        let result = working.await.and_then(|result| result.map_err(log_error));
        leases.connector.record(&result);
        if !matches!(result, Err(LogError::Unavailable(_))) {
            *place = Some(own);
        }
        result
    }};
}

impl LeaseConnection {
    pub(crate) fn new(connector: Connector) -> Self {
        Self { connector, connection: Mutex::new(None) }
    }
}

#[async_trait]
impl LaneLeases for PostgresStore {
    async fn renew(&self, member: &Member, lease: Duration) -> Result<Membership, LogError> {
        self.writable()?;
        let lease_us = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
        on!(self.leases, connection, {
            sqlx::query("SELECT renew($1, $2, $3)")
                .bind(Uuid(member.id))
                .bind(&*member.address)
                .bind(lease_us)
                .execute(&mut *connection)
                .await?;
            membership(connection).await
        })
    }

    async fn membership(&self) -> Result<Membership, LogError> {
        on!(self.leases, connection, membership(connection).await)
    }

    async fn claim(&self, member: uuid::Uuid, lane: Lane) -> Result<Option<Epoch>, LogError> {
        self.writable()?;
        let Ok(lane) = i16::try_from(lane.0) else { return Ok(None) };
        let epoch: Option<i64> = on!(self.leases, connection, {
            sqlx::query_scalar("SELECT claim_lane($1, $2)")
                .bind(lane)
                .bind(Uuid(member))
                .fetch_one(connection)
                .await
        })?;
        Ok(epoch.map(|epoch| epoch as Epoch))
    }

    async fn hand_over(
        &self,
        from: uuid::Uuid,
        lane: Lane,
        to: uuid::Uuid,
    ) -> Result<bool, LogError> {
        self.writable()?;
        let Ok(lane) = i16::try_from(lane.0) else { return Ok(false) };
        on!(self.leases, connection, {
            sqlx::query_scalar("SELECT hand_over_lane($1, $2, $3)")
                .bind(lane)
                .bind(Uuid(from))
                .bind(Uuid(to))
                .fetch_one(connection)
                .await
        })
    }

    async fn leave(&self, member: uuid::Uuid) -> Result<(), LogError> {
        self.writable()?;
        on!(self.leases, connection, {
            sqlx::query("SELECT leave($1)").bind(Uuid(member)).execute(connection).await.map(drop)
        })
    }
}

/// Members and owners at one moment: one statement sees one snapshot.
async fn membership(connection: &mut PgConnection) -> sqlx::Result<Membership> {
    let rows = sqlx::query(
        "WITH member AS MATERIALIZED (SELECT id, address FROM instance \
             WHERE expires_at > clock_timestamp()) \
         SELECT NULL::smallint AS lane, 0::bigint, id, address FROM member \
         UNION ALL \
         SELECT l.lane, l.owner_epoch, m.id, NULL FROM lane l \
             LEFT JOIN lane_owner o ON o.lane = l.lane LEFT JOIN member m ON m.id = o.instance \
         ORDER BY lane, id",
    )
    .fetch_all(connection)
    .await?;
    let mut membership = Membership::default();
    for row in &rows {
        let id: Option<Uuid> = row.try_get(2)?;
        match (row.try_get::<Option<i16>, _>(0)?, id) {
            (None, Some(Uuid(id))) => {
                membership.members.push(Member { id, address: row.try_get(3)? });
            }
            (_, owner) => membership.lanes.push(LaneOwner {
                owner: owner.map(|Uuid(id)| id),
                epoch: row.try_get::<i64, _>(1)? as Epoch,
            }),
        }
    }
    Ok(membership)
}
