use std::sync::Arc;

use async_stream::try_stream;
use futures::Stream;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_documents::Filling;
use gamemesh_domain::{Error, Result};
use gamemesh_repository::Direction;
use gamemesh_rpc::caller::Caller;

use crate::game::streams::to_event;
use crate::game::{Game, not_found};

/// Events that are read at once.
const READ_AT_ONCE: usize = 256;

#[expect(clippy::needless_pass_by_value, reason = "a handler takes the request as it came")]
pub(super) fn handle(
    game: Arc<Game>,
    caller: &Caller,
    request: pb::ReplayToSequenceRequest,
) -> Result<impl Stream<Item = Result<pb::ReplayToSequenceResponse>> + Send + use<>> {
    let stream = game.events_stream(&request.stream_id)?;
    let to = u64::try_from(request.to_version)
        .map_err(|_| Error::invalid("toVersion", "accepts 0 or more"))?;
    let caller = caller.clone();
    Ok(try_stream! {
        let head = game.documents.log.head(&stream).await?;
        let newest = head.map(|head| head.version).ok_or_else(|| not_found(&stream))?;
        let to = if to == 0 { newest } else { to.min(newest) };
        let mut versions = game.effective(&stream, to).await?.into_iter().peekable();
        let mut read = Filling::default();
        while let Some(from) = versions.peek().copied() {
            caller.when_may_read_many().await;
            let log = &game.documents.log;
            let count = read.next_read(READ_AT_ONCE);
            read = Filling::default();
            let events = log.read_stream(&stream, from, count, Direction::Forward).await?;
            if events.is_empty() {
                return;
            }
            caller.has_read(events.len(), events.iter().map(|event| event.data.len()).sum());
            for event in &events {
                read.add(event.data.len());
                if versions.next_if_eq(&event.version).is_some() {
                    yield pb::ReplayToSequenceResponse { event: Some(to_event(event)?) };
                }
            }
        }
    })
}
