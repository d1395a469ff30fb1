//! Bytes that clients have sent and that are not done with.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use gamemesh_domain::{Code, Error};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Connection, Shared};

/// A message that is not larger may use what is kept for small ones.
const SMALL_BYTES: usize = 64 << 10;

/// One byte in so many is kept for small messages.
const KEPT_ONE_IN: usize = 8;

/// One caller may have one byte in so many.
const CALLER_ONE_IN: usize = 4;

/// When a caller who found no room for his body should come back.
const RETRY: Duration = Duration::from_millis(250);

/// How long a message may take to arrive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) grace: Duration,
    pub(super) bytes_per_second_min: usize,
}

impl Pace {
    fn allows(self, bytes: usize) -> Duration {
        self.grace + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second_min as f64)
    }
}

/// The bytes of one message while it arrives, until this is dropped. Without a connection they are counted
/// nowhere: they come from this process.
#[derive(Debug, Default)]
pub struct Received {
    connection: Option<Arc<Connection>>,
    /// Where they are counted beside the connection and all of them.
    caller: Option<usize>,
    bytes: usize,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Received {
    pub const fn new(connection: Option<Arc<Connection>>) -> Self {
        Self { connection, caller: None, bytes: 0, since: None, timer: None }
    }

    /// Counts so many more, if there is room for them.
    pub fn add(&mut self, bytes: usize) -> Result<(), Error> {
        let Some(connection) = self.connection.as_ref().filter(|_| bytes > 0) else {
            return Ok(());
        };
        let edge = connection.edge();
        let refused = |of: &str, max: usize| {
            edge.counts.receiving_refused.inc();
            Error::new(Code::Overloaded, format!("too many bytes of {of} are being received"))
                .with_fact("receivingBytesMax", max)
                .with_retry_after(RETRY)
        };
        if !reserve(connection.receiving(), bytes, edge.connection_receiving_max) {
            return Err(refused("this connection", edge.connection_receiving_max));
        }
        if self.bytes == 0 {
            self.caller = connection.bounded_caller();
        }
        let of_caller = self.caller.map(|at| &edge.caller_receiving[at]);
        let share = edge.receiving_max / CALLER_ONE_IN;
        if of_caller.is_some_and(|counter| !reserve(counter, bytes, share)) {
            connection.receiving().fetch_sub(bytes, Ordering::AcqRel);
            return Err(refused("this caller", share));
        }
        let is_small = self.bytes + bytes <= SMALL_BYTES;
        let kept = if is_small { 0 } else { edge.receiving_max / KEPT_ONE_IN };
        if !reserve(&edge.receiving, bytes, edge.receiving_max - kept) {
            connection.receiving().fetch_sub(bytes, Ordering::AcqRel);
            if let Some(counter) = of_caller {
                counter.fetch_sub(bytes, Ordering::AcqRel);
            }
            return Err(refused("all clients", edge.receiving_max));
        }
        edge.counts.receiving_bytes.inc_by(bytes as i64);
        self.bytes += bytes;
        Ok(())
    }

    /// What came so far, to be counted for longer than it takes to arrive.
    #[must_use]
    pub fn split(&mut self) -> Self {
        let connection = self.connection.clone();
        let bytes = std::mem::take(&mut self.bytes);
        Self { connection, caller: self.caller, bytes, since: None, timer: None }
    }

    /// What came is done with; the time of the next message begins when it is waited for.
    pub fn clear(&mut self) {
        self.release();
        self.since = None;
        self.timer = None;
    }

    /// Ready when what came came too slowly; asked whenever more of it is waited for.
    pub fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(connection) = &self.connection else { return Poll::Pending };
        let pace = connection.edge().pace;
        let since = *self.since.get_or_insert_with(Instant::now);
        let by = since + pace.allows(self.bytes);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(by)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= by {
                connection.edge().counts.receiving_late.inc();
                let what =
                    format!("{} bytes of the message came within {:?}", self.bytes, by - since);
                let least = pace.bytes_per_second_min;
                return Poll::Ready(
                    Error::new(Code::DeadlineExceeded, what).with_fact("bytesPerSecondMin", least),
                );
            }
            timer.as_mut().reset(by);
        }
        Poll::Pending
    }

    /// The request has ended before its end.
    pub fn broke_off(&self) {
        if let Some(connection) = &self.connection {
            connection.broke_off();
        }
    }

    fn release(&mut self) {
        if let Some(connection) = &self.connection
            && self.bytes > 0
        {
            let edge: &Shared = connection.edge();
            connection.receiving().fetch_sub(self.bytes, Ordering::AcqRel);
            if let Some(at) = self.caller {
                edge.caller_receiving[at].fetch_sub(self.bytes, Ordering::AcqRel);
            }
            edge.receiving.fetch_sub(self.bytes, Ordering::AcqRel);
            edge.counts.receiving_bytes.dec_by(self.bytes as i64);
        }
        self.bytes = 0;
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.release();
    }
}

fn reserve(counter: &AtomicUsize, bytes: usize, max: usize) -> bool {
    let more = |now: usize| now.checked_add(bytes).filter(|sum| *sum <= max);
    counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
}
