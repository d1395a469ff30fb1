//! Stores the snapshots that fall due, in the background.

use std::sync::Arc;

use gamemesh_domain::document::Aggregate;
use gamemesh_repository::StreamName;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Documents;

/// Snapshots that wait. When full, a snapshot is passed over: the next one will do.
const DUE_MAX: usize = 256;

/// One in so many snapshots is compared with a fold from the first event.
const AUDIT_INTERVAL: u64 = 64;

type Due = (StreamName, Arc<Aggregate>);

/// Where writers leave what is due.
pub(crate) struct SnapshotsDue(mpsc::Sender<Due>);

pub(crate) fn queue() -> (SnapshotsDue, mpsc::Receiver<Due>) {
    let (sender, receiver) = mpsc::channel(DUE_MAX);
    (SnapshotsDue(sender), receiver)
}

impl SnapshotsDue {
    pub(crate) fn offer(&self, stream: StreamName, aggregate: Arc<Aggregate>) {
        // A full queue loses a snapshot, which costs a longer fold and nothing else.
        let _ = self.0.try_send((stream, aggregate));
    }
}

pub(crate) async fn run(
    documents: Arc<Documents>,
    mut due: mpsc::Receiver<Due>,
    stop: CancellationToken,
) {
    let mut kept = 0_u64;
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = due.recv() => next,
        };
        let Some((stream, aggregate)) = next else { return };
        if let Err(error) = documents.history.keep_snapshot(&stream, &aggregate).await {
            tracing::warn!(%stream, %error, "a snapshot could not be kept");
            continue;
        }
        kept += 1;
        if kept % AUDIT_INTERVAL == 1 {
            audit(&documents, &stream, &aggregate).await;
        }
    }
}

async fn audit(documents: &Documents, stream: &StreamName, aggregate: &Aggregate) {
    documents.metrics.snapshots_audited.inc();
    match documents.history.audit(stream, aggregate).await {
        Ok(true) => {}
        Ok(false) => {
            documents.metrics.snapshots_wrong.inc();
            tracing::error!(%stream, version = aggregate.version, "a snapshot is not what its events fold to");
        }
        Err(error) => tracing::warn!(%stream, %error, "a snapshot could not be audited"),
    }
}
