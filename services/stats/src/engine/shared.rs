//! Hot matches for other readers: absolute, versioned values with a time to live, in the cache that
//! instances share. Nothing is ever read back as truth; losing it loses nothing.

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_cache::{Envelope, L2};
use gamemesh_domain::stats::MatchView;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::convert::stats;

/// Matches that wait to be put; a newer view of one that waits for longer is put instead.
const WAITING_MAX: usize = 1_024;

/// Of zstd.
const LEVEL: i32 = 1;

/// Names the form of the values: zstd of the message `gamemesh.stats.v1.MatchStats`.
const FORM: u64 = 0x7374_6174_7301;

/// The sending end. What does not fit is left out: the next view of the match is newer anyway.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Option<mpsc::Sender<Arc<MatchView>>>);

impl Shared {
    pub(crate) fn new(is_used: bool) -> (Self, Option<mpsc::Receiver<Arc<MatchView>>>) {
        if !is_used {
            return (Self(None), None);
        }
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(Some(sender)), Some(receiver))
    }

    pub(crate) fn tell(&self, view: &Arc<MatchView>) {
        if let Some(sender) = &self.0 {
            let _ = sender.try_send(view.clone());
        }
    }
}

pub(crate) async fn run(
    engine: Arc<Engine>,
    l2: Arc<dyn L2>,
    mut views: mpsc::Receiver<Arc<MatchView>>,
    stop: CancellationToken,
) {
    loop {
        let view = tokio::select! {
            view = views.recv() => view,
            () = stop.cancelled() => return,
        };
        let Some(view) = view else { return };
        let message = prost::Message::encode_to_vec(&stats::match_stats(&view));
        let Ok(value) = zstd::bulk::compress(&message, LEVEL) else { continue };
        let envelope = Envelope {
            version: view.version(),
            as_of: view.version(),
            reducer: FORM,
            value: Bytes::from(value),
        };
        let put = l2.put(&format!("match-stats/{}", view.id()), envelope).await;
        engine.metrics.shared_put(put.is_ok());
    }
}
