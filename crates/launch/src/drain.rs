//! The end of a process: nothing new, finish what was begun, flush, stop.

use std::time::Duration;

use gamemesh_rpc::service::Drain;

use crate::assemble::App;
use crate::connection::Connections;
use crate::serve::Running;
use crate::signals::Signals;

/// Beyond the drain timeout, connections get this long to carry their last trailers away.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Each flush gets this long; the calls have ended, so it is only what is buffered.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Background tasks get this long to end: they write what is buffered first.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every call ended by itself, and everything was flushed.
    Drained,
    /// The drain timeout ended some calls, or a flush failed.
    CutOff,
    /// A second signal ended the drain.
    Aborted,
}

impl Outcome {
    /// The exit code of the process: a drain that took too long is still an orderly end.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Drained | Self::CutOff => 0,
            Self::Aborted => 130,
        }
    }
}

pub(crate) async fn drain(
    app: &mut App,
    connections: &Connections,
    running: Running,
    signals: &mut Signals,
) -> Outcome {
    tokio::select! {
        outcome = in_order(app, connections, running) => outcome,
        signal = signals.next() => {
            tracing::warn!(signal, "aborting");
            Outcome::Aborted
        }
    }
}

async fn in_order(app: &mut App, connections: &Connections, mut running: Running) -> Outcome {
    // Readiness goes first, so that load balancers look elsewhere. They learn it late: until then what
    // they send is answered.
    app.lifecycle.announce();
    app.health.refresh().await;
    tokio::time::sleep(app.config.listen.drain_delay).await;
    // This closes the listening socket and sends GOAWAY.
    app.lifecycle.drain();
    let mut clean = true;

    connections.tracker.close();
    let timeout = app.config.listen.drain_timeout;
    if tokio::time::timeout(timeout, connections.tracker.wait()).await.is_err() {
        clean = false;
        tracing::warn!(open = connections.tracker.len(), ?timeout, "the drain timeout has passed");
        app.lifecycle.cut();
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, connections.tracker.wait()).await;
    }

    // Flushing comes before the tasks stop: it is they who write.
    for duty in std::mem::take(&mut app.work.drains) {
        clean &= flush(duty).await;
    }
    running.stop.cancel();
    let stopped = tokio::time::timeout(STOP_TIMEOUT, async {
        while running.tasks.join_next().await.is_some() {}
    });
    clean &= stopped.await.is_ok();
    tracing::info!(clean, "stopped");
    if clean { Outcome::Drained } else { Outcome::CutOff }
}

async fn flush(duty: Drain) -> bool {
    match tokio::time::timeout(FLUSH_TIMEOUT, (duty.run)()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(duty = duty.name, %error, "the last flush failed");
            false
        }
        Err(_) => {
            tracing::error!(duty = duty.name, timeout = ?FLUSH_TIMEOUT, "the last flush took too long");
            false
        }
    }
}
