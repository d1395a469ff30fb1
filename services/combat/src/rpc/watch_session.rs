use std::sync::Arc;
use std::time::Duration;

use async_stream::try_stream;
use futures::Stream;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::{Code, Error, Result};
use prost::Message as _;
use tokio::time::{MissedTickBehavior, interval};

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::{PlayerId, SessionId};
use crate::shard::command::What;
use crate::shard::live::Spectating;
use crate::spectate::{FRAMES_HZ, Filter, Follower};

pub(super) async fn handle(
    edge: Arc<Edge>,
    _: Caller,
    request: pb::WatchSessionRequest,
) -> Result<impl Stream<Item = Result<pb::WatchSessionResponse>>> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let follow = match request.follow_player_id.as_str() {
        "" => None,
        id => Some(PlayerId::parse("followPlayerId", id)?),
    };
    let hz = match request.frames_max_hz {
        0 => FRAMES_HZ,
        hz => hz.min(FRAMES_HZ),
    };
    let present = edge.shards.ask(session.clone(), What::Get).await?;
    let spectating = Spectating::enter(present.live)?;
    let mut follower = Follower::new(Filter::following(follow), request.last_event_seq);
    Ok(try_stream! {
        let mut beat = interval(Duration::from_secs(1) / hz);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let live = spectating.live();
            let mut frames = 0;
            while let Some(frame) = follower.next(&edge, &session, live).await {
                frames += 1;
                let frame = pb::ServerFrame::decode(frame).map_err(Error::internal)?;
                yield pb::WatchSessionResponse { frame: Some(frame) };
            }
            if live.has_moved() {
                Err(Error::new(Code::NotServing, "the session has moved; watch it again"))?;
            }
            if frames == 0 && live.is_over() {
                break;
            }
        }
    })
}
