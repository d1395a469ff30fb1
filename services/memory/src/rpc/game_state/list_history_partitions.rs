use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use crate::convert::time::to_timestamp;
use crate::game::Game;

pub(super) async fn handle(
    game: Arc<Game>,
    _caller: Caller,
    _: pb::ListHistoryPartitionsRequest,
) -> Result<pb::ListHistoryPartitionsResponse> {
    let months = game.tables.history_partitions().await?;
    let partitions = months.into_iter().map(|month| pb::HistoryPartition {
        name: month.name,
        from_time: Some(to_timestamp(month.from_us)),
        until_time: Some(to_timestamp(month.until_us)),
        entries: month.entries as i64,
    });
    Ok(pb::ListHistoryPartitionsResponse { partitions: partitions.collect() })
}
