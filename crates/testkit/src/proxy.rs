//! A TCP proxy that breaks what goes through it, at moments that a test chooses.

mod relay;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Stands before a server. Dropping it cuts what goes through it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// When a connection is cut, in both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// When it has brought so many bytes of answers; the next one is not passed on.
    AfterBytes(u64),
    /// When a request that holds these bytes has been passed on: the server has it, and nothing of its
    /// answer comes back.
    Asked(Vec<u8>),
    /// When such a request has been passed on and an answer comes that ends with these: the server is
    /// done with it, and that answer is not passed on.
    Answered { request: Vec<u8>, ends: Vec<u8> },
}

#[derive(Debug)]
struct Shared {
    server: Mutex<String>,
    rules: watch::Sender<Rules>,
    cut: Mutex<Option<Cut>>,
    cuts_left: AtomicUsize,
}

/// What holds for every connection now.
#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    /// Each piece waits for so long, in each direction.
    delay: Duration,
    /// Nothing arrives, and no connection ends.
    is_hole: bool,
    /// No new connection is taken.
    is_closed: bool,
    /// Connections of an earlier age are cut.
    age: u64,
}

impl Proxy {
    /// A proxy before the server of this URL, or `host:port`.
    pub async fn before(server: &str) -> anyhow::Result<Self> {
        Self::listen(host_and_port(server)).await
    }

    async fn listen(server: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            server: Mutex::new(server.to_owned()),
            rules: watch::Sender::default(),
            cut: Mutex::default(),
            cuts_left: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { port, shared, accepting })
    }

    /// Goes before another server from the next connection on: one may have to know its proxy before it
    /// is started.
    pub fn go_before(&self, server: &str) {
        host_and_port(server).clone_into(&mut self.shared.server.lock());
    }

    /// The URL, or `host:port`, with this proxy in the server's place.
    pub fn instead_of(&self, url: &str) -> String {
        url.replacen(host_and_port(url), &self.address(), 1)
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Cuts every connection now.
    pub fn cut_all(&self) {
        self.shared.rules.send_modify(|rules| rules.age += 1);
    }

    /// Cuts so many connections, each when this comes to pass.
    pub fn cut_when(&self, cut: Cut, times: usize) {
        *self.shared.cut.lock() = Some(cut);
        self.shared.cuts_left.store(times, Ordering::SeqCst);
    }

    /// How many of these cuts have not come to pass.
    pub fn cuts_left(&self) -> usize {
        self.shared.cuts_left.load(Ordering::SeqCst)
    }

    /// Lets each piece wait, of at most 64 KiB and in each direction.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.rules.send_modify(|rules| rules.delay = delay);
    }

    /// Swallows what comes while connections stay open, or lets go of what was held back.
    pub fn set_hole(&self, is_hole: bool) {
        self.shared.rules.send_modify(|rules| rules.is_hole = is_hole);
    }

    /// Ends new connections at once, as a server that is not there, or takes them again.
    pub fn set_closed(&self, is_closed: bool) {
        self.shared.rules.send_modify(|rules| rules.is_closed = is_closed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_all();
    }
}

impl Shared {
    /// Whether a cut of this kind is to be made now; it counts as made.
    fn takes_cut(&self, is_due: impl FnOnce(&Cut) -> bool) -> bool {
        let cut = self.cut.lock();
        cut.as_ref().is_some_and(is_due)
            && self
                .cuts_left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let rules = shared.rules.subscribe();
        if rules.borrow().is_closed {
            continue;
        }
        let shared = shared.clone();
        tokio::spawn(async move {
            let age = rules.borrow().age;
            let server = shared.server.lock().clone();
            if let Ok(upstream) = TcpStream::connect(server).await {
                relay::relay(client, upstream, &shared, age).await;
            }
        });
    }
}

/// Of a URL, or of an address that is none.
fn host_and_port(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, address)| address)
}
