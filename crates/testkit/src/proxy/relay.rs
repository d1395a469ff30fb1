//! One connection through the proxy.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::{Cut, Shared};

/// What is passed on at once.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// Passes on until one side ends or the connection is cut. Both sockets are closed then.
pub(super) async fn relay(
    mut client: TcpStream,
    mut upstream: TcpStream,
    shared: &Shared,
    age: u64,
) {
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (client_read, client_write) = client.split();
    let (upstream_read, upstream_write) = upstream.split();
    let asked = AtomicBool::new(false);
    let mut rules = shared.rules.subscribe();
    tokio::select! {
        () = requests(client_read, upstream_write, shared, &asked) => {}
        () = answers(upstream_read, client_write, shared, &asked) => {}
        _ = rules.wait_for(|rules| rules.age > age) => {}
    }
}

/// Notes when the request of a cut goes by.
async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    asked: &AtomicBool,
) {
    let mut piece = vec![0; PIECE_BYTES_MAX];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let piece = &piece[..count];
        if shared.takes_notice(piece) {
            asked.store(true, Ordering::SeqCst);
        }
        wait(shared).await;
        if to.write_all(piece).await.is_err() {
            return;
        }
        let is_due = |cut: &Cut| matches!(cut, Cut::Asked(request) if holds(piece, request));
        if shared.takes_cut(is_due) {
            return;
        }
    }
}

async fn answers(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    asked: &AtomicBool,
) {
    let mut piece = vec![0; PIECE_BYTES_MAX];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let piece = &piece[..count];
        let is_due = |cut: &Cut| match cut {
            Cut::AfterBytes(bytes) => passed + count as u64 > *bytes,
            Cut::Answered { ends, .. } => {
                piece.ends_with(ends) && asked.swap(false, Ordering::SeqCst)
            }
            Cut::Asked(_) => false,
        };
        if shared.takes_cut(is_due) {
            return;
        }
        wait(shared).await;
        if to.write_all(piece).await.is_err() {
            return;
        }
        passed += count as u64;
    }
}

impl Shared {
    fn takes_notice(&self, piece: &[u8]) -> bool {
        let cut = self.cut.lock();
        matches!(&*cut, Some(Cut::Answered { request, .. }) if holds(piece, request))
    }
}

/// As long as the rules of this moment say.
async fn wait(shared: &Shared) {
    let mut rules = shared.rules.subscribe();
    let delay = rules.borrow().delay;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let _ = rules.wait_for(|rules| !rules.is_hole).await;
}

fn holds(piece: &[u8], bytes: &[u8]) -> bool {
    piece.windows(bytes.len()).any(|window| window == bytes)
}
