//! Another instance of this server, called over gRPC.
//!
//! There is one connection to it, which somebody else than a caller makes and looks after: a peer is
//! used only after it has answered a probe, and one that was lost costs nobody anything until it has
//! answered again.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gamemesh_domain::Error;
use tonic::Status;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::tls::{Connector, Pings};

/// A peer that hangs is found out, one that only waits for its database answers.
const PINGS: Pings = Pings { interval: Duration::from_secs(1), timeout: Duration::from_secs(2) };

/// A probe is answered within this time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two probes of a peer that is away: the time doubles up to the second.
const PROBE_PAUSE_MIN: Duration = Duration::from_millis(50);
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(2);

/// One other instance. Its probes end when it is dropped.
#[derive(Debug)]
pub struct Peer {
    address: String,
    channel: Channel,
    is_there: AtomicBool,
}

/// Why a call has no answer of the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFailure {
    /// The peer has not seen it.
    NotSent,
    /// The peer may have done it.
    Lost,
}

impl Peer {
    /// A peer at `host:port`, which is probed from now on. Needs a runtime.
    pub fn new(address: &str, connector: &Connector) -> Result<Arc<Self>, Error> {
        let channel = connector.to_instance(address, PINGS)?;
        let peer = Arc::new(Self {
            address: address.to_owned(),
            channel,
            is_there: AtomicBool::new(false),
        });
        tokio::spawn(probe(Arc::downgrade(&peer)));
        Ok(peer)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The connection; `None` while the peer is taken to be away.
    pub fn channel(&self) -> Option<Channel> {
        self.is_there.load(Ordering::Acquire).then(|| self.channel.clone())
    }

    /// A call to it failed: it is away until it answers a probe.
    pub fn lost(self: &Arc<Self>) {
        if self.is_there.swap(false, Ordering::AcqRel) {
            tracing::warn!(peer = self.address, "an instance is away");
            tokio::spawn(probe(Arc::downgrade(self)));
        }
    }
}

/// Until the peer answers, or is forgotten.
async fn probe(peer: Weak<Peer>) {
    let mut pause = PROBE_PAUSE_MIN;
    loop {
        let Some(channel) = peer.upgrade().map(|peer| peer.channel.clone()) else { return };
        let mut client = HealthClient::new(channel);
        let asked = client.check(HealthCheckRequest::default());
        let answered = tokio::time::timeout(PROBE_TIMEOUT, asked).await;
        let Some(peer) = peer.upgrade() else { return };
        match answered {
            // It need not be ready for others: what it owns belongs there.
            Ok(Ok(_)) => {
                peer.is_there.store(true, Ordering::Release);
                tracing::info!(peer = peer.address, "an instance answers");
                return;
            }
            Ok(Err(error)) => tracing::debug!(peer = peer.address, %error, "an instance is away"),
            Err(_) => tracing::debug!(peer = peer.address, "an instance does not answer"),
        }
        drop(peer);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PROBE_PAUSE_MAX);
    }
}

impl DeliveryFailure {
    /// What a failed call means; `None`: it is what the peer answered. Each of our own answers has
    /// details, and whatever stands between two instances makes none.
    pub fn of(status: &Status) -> Option<Self> {
        status.details().is_empty().then(|| Self::by(status))
    }

    /// What is known of a call that this error has ended.
    pub(crate) fn by(error: &(dyn StdError + 'static)) -> Self {
        let not_sent = chain(error).any(|error| {
            let canceled = error.downcast_ref::<hyper::Error>().is_some_and(|e| e.is_canceled());
            canceled || error.is::<tonic::ConnectError>()
        });
        if not_sent { Self::NotSent } else { Self::Lost }
    }
}

/// An error and its causes.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;
    use tonic_health::ServingStatus;
    use tonic_health::server::health_reporter;

    use super::*;
    use crate::error::to_status;

    /// A server on this listener, until it is told to stop.
    async fn serve(listener: TcpListener) -> (oneshot::Sender<()>, JoinHandle<()>) {
        let (reporter, service) = health_reporter();
        reporter.set_service_status("", ServingStatus::NotServing).await;
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            let connections = futures::stream::unfold(listener, |listener| async move {
                Some((listener.accept().await.map(|(stream, _)| stream), listener))
            });
            let server = tonic::transport::Server::builder().add_service(service);
            let stopped = async { stopped.await.unwrap() };
            server.serve_with_incoming_shutdown(connections, stopped).await.unwrap();
        });
        (stop, served)
    }

    async fn until(peer: &Arc<Peer>, there: bool) {
        while peer.channel().is_some() != there {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_peer_is_used_while_it_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let peer = Peer::new(&addr.to_string(), &Connector::default()).unwrap();
        assert!(peer.channel().is_none());
        let (stop, served) = serve(listener).await;
        // Also one that is not ready for others.
        until(&peer, true).await;

        stop.send(()).unwrap();
        served.await.unwrap();
        let mut client = HealthClient::new(peer.channel().unwrap());
        let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
        assert_eq!(DeliveryFailure::of(&status), Some(DeliveryFailure::NotSent), "{status:?}");
        peer.lost();
        assert!(peer.channel().is_none());

        let _server = serve(TcpListener::bind(addr).await.unwrap()).await;
        until(&peer, true).await;
    }

    #[test]
    fn an_answer_is_no_delivery_failure() {
        let refused = to_status(&Error::invalid("id", "is required"));
        assert_eq!(DeliveryFailure::of(&refused), None);
        assert_eq!(
            DeliveryFailure::of(&Status::unavailable("upstream connect error")),
            Some(DeliveryFailure::Lost)
        );
    }
}
