//! A TCP proxy that cuts connections at chosen moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Stands between a store and its server.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(AtomicUsize::new(0));
        let left = cuts.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let upstream = TcpStream::connect(&server).await;
                let Ok(upstream) = upstream else { continue };
                tokio::spawn(relay(client, upstream, left.clone()));
            }
        });
        Self { port, cuts }
    }

    /// The next so many batches are written, and their replies lost with the connection.
    pub(crate) fn cut_replies(&self, count: usize) {
        self.cuts.store(count, Ordering::SeqCst);
    }

    pub(crate) fn cuts_left(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, upstream: TcpStream, cuts: Arc<AtomicUsize>) {
    let (client_read, client_write) = client.into_split();
    let (upstream_read, upstream_write) = upstream.into_split();
    let asked = Arc::new(AtomicUsize::new(0));
    let up = tokio::spawn(forward(client_read, upstream_write, asked.clone()));
    answer(upstream_read, client_write, &asked, &cuts).await;
    up.abort();
}

/// Notes when a batch goes by: what is long enough has events in it.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if buffer[..count].windows(MARK.len()).any(|window| window == MARK) {
            asked.store(1, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// In the data of the events whose batches shall be noticed.
pub(crate) const MARK: &[u8] = b"cut the reply to this";

async fn answer(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    asked: &AtomicUsize,
    cuts: &AtomicUsize,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        // The answer to a batch ends with ReadyForQuery, which comes after its commit.
        let ready = buffer[..count].ends_with(&[b'Z', 0, 0, 0, 5, b'I']);
        if ready
            && asked.swap(0, Ordering::SeqCst) == 1
            && cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
        {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
