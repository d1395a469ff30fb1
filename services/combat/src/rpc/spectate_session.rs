use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::{Error, Result};
use prost::Message as _;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::shard::command::What;
use crate::shard::delay::Cursor;
use crate::shard::live::Live;
use crate::token::Holder;

pub(super) async fn handle(
    edge: Arc<Edge>,
    _: Caller,
    request: pb::SpectateSessionRequest,
) -> Result<pb::SpectateSessionResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let present = edge.shards.ask(session.clone(), What::Get).await?;
    present.live.admit(present.live.spectators())?;
    let now_us = edge.clock.now_micros();
    Ok(pb::SpectateSessionResponse {
        delay_s: present.live.delay().as_secs() as u32,
        frame: picture(&present.live)?,
        resume_token: edge.tokens.resume(
            &session,
            &Holder::Spectator,
            present.live.epoch(),
            now_us,
        ),
    })
}

/// The newest whole picture that a spectator may see.
pub(super) fn picture(live: &Live) -> Result<Option<pb::ServerFrame>> {
    let Some(delayed) = live.next_frame(&mut Cursor::default(), Instant::now()) else {
        return Ok(None);
    };
    let mut frame = pb::ServerFrame::decode(delayed.frame().clone()).map_err(Error::internal)?;
    frame.events.clear();
    Ok(Some(frame))
}
