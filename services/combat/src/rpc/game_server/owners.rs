//! The commands of a game server's stream whose sessions other instances own: one stream to each of these.

use std::collections::HashMap;
use std::sync::Arc;

use futures::stream;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Error;
use gamemesh_ownership::{CallContext, Forwarder, Route};
use gamemesh_rpc::peer::{DeliveryFailure, Peer};
use pb::combat_service_client::CombatServiceClient;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::transport::Channel;

use crate::forwarding::{gone, lane_of};
use crate::ids::SessionId;

/// Commands that wait for one other instance. One that takes no more holds the game server's stream up.
const WAITING_MAX: usize = 1_024;

/// The streams to other instances.
pub(super) struct Owners {
    pub(super) forwarder: Arc<Forwarder>,
    pub(super) call: CallContext,
    pub(super) answers: mpsc::Sender<pb::GameServerResponse>,
    /// Takes why the game server's own stream is to end: what was sent to an instance that is gone has no
    /// answer any more.
    pub(super) broken: mpsc::Sender<Error>,
    streams: HashMap<String, mpsc::Sender<pb::GameServerRequest>>,
}

impl Owners {
    pub(super) fn new(
        forwarder: Arc<Forwarder>,
        call: CallContext,
        answers: mpsc::Sender<pb::GameServerResponse>,
        broken: mpsc::Sender<Error>,
    ) -> Self {
        Self { forwarder, call, answers, broken, streams: HashMap::new() }
    }

    /// Passes a command on if another instance owns its session, and gives it back if none does.
    pub(super) async fn pass(
        &mut self,
        request: pb::GameServerRequest,
    ) -> Option<pb::GameServerRequest> {
        let Ok(session) = SessionId::parse("sessionId", &request.session_id) else {
            return Some(request);
        };
        let lane = lane_of(&session, &self.forwarder);
        let Route::There(peer) = self.forwarder.route(lane, false).await else {
            return Some(request);
        };
        let known = self.streams.get(peer.address()).filter(|stream| !stream.is_closed());
        let stream = match (known, peer.channel()) {
            (Some(stream), _) => stream.clone(),
            (None, Some(channel)) => self.open(&peer, channel),
            (None, None) => return Some(request),
        };
        if stream.send(request).await.is_err() {
            let _ = self.broken.try_send(gone());
        }
        None
    }

    fn open(&mut self, peer: &Arc<Peer>, channel: Channel) -> mpsc::Sender<pb::GameServerRequest> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let commands = stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|command| (command, receiver))
        });
        let request = self.call.request(Box::pin(commands));
        let (answers, broken, peer_there) =
            (self.answers.clone(), self.broken.clone(), peer.clone());
        let waiting = sender.downgrade();
        tokio::spawn(async move {
            let opened = CombatServiceClient::new(channel).game_server(request).await;
            let answered = match opened {
                Ok(opened) => pump(opened.into_inner(), &answers).await,
                Err(status) => Err(status),
            };
            if let Err(status) = &answered {
                let peer = peer_there.address();
                tracing::debug!(peer, %status, "a game server's stream to an instance has ended");
                if DeliveryFailure::of(status).is_some() {
                    peer_there.lost();
                }
            }
            // The game server may have ended it; whatever else ended it leaves commands unanswered.
            if answered.is_err() || waiting.upgrade().is_some() {
                let _ = broken.try_send(gone());
            }
        });
        self.streams.insert(peer.address().to_owned(), sender.clone());
        sender
    }
}

async fn pump(
    mut answered: tonic::Streaming<pb::GameServerResponse>,
    answers: &mpsc::Sender<pb::GameServerResponse>,
) -> Result<(), Status> {
    while let Some(answer) = answered.message().await? {
        if answers.send(answer).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
