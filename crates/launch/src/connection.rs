//! From the listening socket to served connections.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_rpc::config::{Limits, Listen};
use gamemesh_rpc::edge::{Connection, Edge};
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::tls::PeerIdentity;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::deferred_connection::{Counted, DeferState, DeferredConnection};
use crate::guarded::Guarded;
use crate::identified::Identified;
use crate::tls::Tls;

/// A client must have sent its first bytes, and then each request's headers, within this time.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers of one request, in bytes.
const HEADERS_BYTES_MAX: u32 = 64 * 1024;

/// Silent HTTP/2 connections are asked for a sign of life this often, and given this long.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes that a client may send ahead on one stream and on one connection.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// After the drain timeout, the time for the last trailers to leave.
const CUT_GRACE: Duration = Duration::from_millis(500);

/// When the process has no file descriptor left, accepting again at once would spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Everything that a connection needs; one for each listening socket.
#[derive(Clone)]
pub(crate) struct Connections {
    http: Arc<auto::Builder<TokioExecutor>>,
    edge: Edge,
    idle: Idle,
    places: Arc<Semaphore>,
    pub(crate) tracker: TaskTracker,
    lifecycle: Lifecycle,
    counts: Counts,
    tls: Option<Tls>,
}

#[derive(Clone, Default)]
struct Counts {
    open: Gauge,
    accepted: Counter,
    refused: Counter,
}

impl Connections {
    pub(crate) fn new(
        listen: &Listen,
        limits: &Limits,
        lifecycle: Lifecycle,
        metrics: &Metrics,
    ) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_TIMEOUT)
            .max_buf_size(HEADERS_BYTES_MAX as usize);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .max_concurrent_streams(listen.streams_per_connection_max)
            // A busy server meets calls that were given up before it came to them. At more than this the
            // connection is ended, and with it all calls on it; by default that is at twenty.
            .max_pending_accept_reset_streams(listen.streams_per_connection_max as usize)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let counts = Counts::default();
        metrics.register(|registry| {
            registry.register("gamemesh_connections_open", "Connections", counts.open.clone());
            registry.register(
                "gamemesh_connections_accepted",
                "Connections accepted",
                counts.accepted.clone(),
            );
            registry.register(
                "gamemesh_connections_refused",
                "Connections closed at once because too many were open",
                counts.refused.clone(),
            );
        });
        Self {
            http: Arc::new(http),
            edge: Edge::new(listen, limits, metrics),
            idle: Idle { known: listen.idle_timeout, stranger: listen.stranger_idle_timeout },
            places: Arc::new(Semaphore::new(listen.connections_max)),
            tracker: TaskTracker::new(),
            lifecycle,
            counts,
            tls: None,
        }
    }

    /// The same, for a listening socket whose clients speak TLS.
    pub(crate) fn over(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// Accepts until the drain begins, then closes the listening socket.
    pub(crate) async fn accept<S, B>(self, listener: TcpListener, service: S)
    where
        S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.lifecycle.draining().cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.open(stream, address.ip(), service.clone()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn open<S, B>(&self, stream: TcpStream, address: IpAddr, service: S)
    where
        S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // A closed connection tells the client to go elsewhere; one left in the backlog does not.
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.counts.refused.inc();
            return;
        };
        let Some(client) = self.edge.open(address) else { return };
        self.counts.accepted.inc();
        let open = Open::new(self.counts.open.clone());
        let guard = (place, open, self.tracker.token(), Arc::clone(&client));
        let this = self.clone();
        tokio::spawn(async move {
            // What waits only once has a box of its own: the task keeps room for its largest moment for as
            // long as the connection is open.
            if stream.set_nodelay(true).is_err() {
                return;
            }
            match &this.tls {
                None => {
                    if Box::pin(spoke(&stream)).await {
                        this.serve(Guarded::new(stream, guard), None, client, service).await;
                    }
                }
                Some(tls) => {
                    let Some(stream) = Box::pin(tls.accept(stream)).await else { return };
                    let peer = PeerIdentity::of(stream.get_ref().1);
                    Box::pin(this.serve(Guarded::new(stream, guard), peer, client, service)).await;
                }
            }
        });
    }

    async fn serve<I, S, B>(
        &self,
        io: I,
        peer: Option<PeerIdentity>,
        client: Arc<Connection>,
        service: S,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let defer = Arc::<DeferState>::default();
        let service =
            Counted::new(Identified::new(service, peer), Arc::clone(&client), defer.clone());
        let connection = self.http.serve_connection_with_upgrades(TokioIo::new(io), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = DeferredConnection::new(connection.as_mut(), defer) => ended,
            () = client.ending().cancelled() => return,
            () = Box::pin(self.idle.elapsed(&client)) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = Box::pin(tokio::time::sleep(CUT_GRACE)) => Ok(()),
                }
            }
            () = self.lifecycle.draining().cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = Box::pin(cut(&self.lifecycle)) => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            if broke_the_rules(&*error) {
                client.bar_address();
            }
            // Clients that go away or speak nonsense are everyday life.
            tracing::debug!(%error, "a connection ended with an error");
        }
    }
}

/// How long a connection may be without a call.
#[derive(Debug, Clone, Copy)]
struct Idle {
    known: Duration,
    stranger: Duration,
}

impl Idle {
    /// Ready when nothing was called for as long as the client may be silent, and for twice as long at
    /// most: what happened is looked at once in that time, so that a call costs nothing for it.
    async fn elapsed(self, client: &Connection) {
        let mut before = client.activity();
        loop {
            let timeout = if client.is_known() { self.known } else { self.stranger };
            tokio::time::sleep(timeout).await;
            let now = client.activity();
            if now == before && now.0 == 0 {
                return;
            }
            before = now;
        }
    }
}

/// Whether a client was told to calm down.
fn broke_the_rules(error: &(dyn StdError + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes
        .filter_map(|error| error.downcast_ref::<h2::Error>())
        .any(|error| error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM))
}

async fn cut(lifecycle: &Lifecycle) {
    lifecycle.cutting().cancelled().await;
    tokio::time::sleep(CUT_GRACE).await;
}

/// Whether the client has sent enough to tell which HTTP it speaks. HTTP/1 has a timeout for
/// headers, HTTP/2 has pings; before either is known, this is the timeout.
async fn spoke(stream: &TcpStream) -> bool {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const POLL: Duration = Duration::from_millis(5);
    let known = async {
        let mut seen = [0; PREFACE.len()];
        loop {
            match stream.peek(&mut seen).await {
                Ok(0) | Err(_) => return false,
                Ok(count) if count == PREFACE.len() => return true,
                Ok(count) if seen[..count] != PREFACE[..count] => return true,
                // Readiness does not tell of more bytes while the first lie unread.
                Ok(_) => tokio::time::sleep(POLL).await,
            }
        }
    };
    tokio::time::timeout(HEADERS_TIMEOUT, known).await.unwrap_or(false)
}

/// Counts a connection as open until it is dropped.
struct Open(Gauge);

impl Open {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
