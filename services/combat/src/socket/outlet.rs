//! What one connection is to be sent next: never more than one frame.
//!
//! The session's owner puts in, the connection's writer takes out. While the writer is held up by a
//! client that does not read, the owner sees that the last frame has not gone, and makes no other: the
//! next one will say what has changed since. So a slow client costs what one frame costs, and nobody
//! waits for it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use gamemesh_contracts::combat::v1 as pb;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::shard::live::Live;

/// What one connection may keep in memory that its client has not taken, in bytes: at most half of it is the
/// client's own, the rest is one picture and the events of one frame.
pub(crate) const UNSENT_BYTES_MAX: usize = 64 << 10;

/// What the transport takes of one frame, in bytes: as JSON a frame is several times as long.
pub(crate) const WRITTEN_BYTES_MAX: usize = 4 * UNSENT_BYTES_MAX;

/// Answers that wait for a client.
const RESULTS_MAX: usize = 64;

/// A client that has taken nothing for so long is closed.
pub(crate) const STALLED_MAX: Duration = Duration::from_secs(3);

/// A connection's next frame, shared by the owner of the session and the writer of the connection.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    state: Mutex<State>,
    wake: Notify,
    /// The session that is shown. What was put in before it moved is not shown after that.
    shown: OnceLock<Arc<Live>>,
}

#[derive(Debug, Default)]
struct State {
    /// Fields of the frame that several clients have in common, encoded.
    shared: Option<Bytes>,
    /// Fields that are this client's own.
    own: pb::ServerFrame,
    own_bytes: usize,
    /// When the oldest of it was put in.
    since: Option<Instant>,
    /// The writer is busy with a frame.
    sending: Option<Instant>,
    closing: Option<Closing>,
    /// The writer has taken the closing, or is gone.
    over: bool,
}

/// How a connection is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) retry_after_ms: u32,
}

/// What the writer is to do.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// An encoded `ServerFrame`.
    Frame(Bytes),
    Close(Closing),
}

/// Whether something found room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Taken,
    /// The last frame has not gone yet; the next one stands for this one too.
    Conflated,
    /// The connection is about to end.
    Over,
}

impl Outlet {
    /// From here on it shows this session.
    pub(crate) fn shows(&self, live: Arc<Live>) {
        // An outlet is attached once.
        let _ = self.shown.set(live);
    }

    /// Whether the writer has taken all that was put in: then a frame can be made.
    pub(crate) fn is_free(&self) -> bool {
        let state = self.state.lock();
        state.shared.is_none() && state.closing.is_none() && !state.over
    }

    /// Whether the connection has ended, whoever has heard of it.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    /// Puts a frame in that clients share.
    pub(crate) fn put_shared(&self, frame: Bytes) -> Put {
        let mut state = self.state.lock();
        if state.closing.is_some() || state.over {
            return Put::Over;
        }
        if state.shared.is_some() {
            return Put::Conflated;
        }
        state.shared = Some(frame);
        state.since.get_or_insert_with(Instant::now);
        drop(state);
        self.wake.notify_one();
        Put::Taken
    }

    /// Puts in what is for this client only. Fields that were put in before stay; answers are added.
    pub(crate) fn put_own(&self, own: pb::ServerFrame) -> Put {
        let mut state = self.state.lock();
        if state.closing.is_some() || state.over {
            return Put::Over;
        }
        let bytes = own.encoded_len();
        if state.own.results.len() + own.results.len() > RESULTS_MAX
            || state.own_bytes + bytes > UNSENT_BYTES_MAX / 2
        {
            drop(state);
            self.close(too_slow());
            return Put::Over;
        }
        state.own_bytes += bytes;
        merge(&mut state.own, own);
        state.since.get_or_insert_with(Instant::now);
        drop(state);
        self.wake.notify_one();
        Put::Taken
    }

    /// Ends the connection when what was put in before has gone, if it goes soon. The first reason
    /// counts.
    pub(crate) fn close(&self, closing: Closing) {
        let mut state = self.state.lock();
        if state.closing.is_none() && !state.over {
            state.closing = Some(closing);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// The client is gone: nothing is taken any more.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        *state = State { over: true, ..State::default() };
        drop(state);
        self.wake.notify_one();
    }

    /// How long the oldest of what the client is to be sent has waited.
    pub(crate) fn waiting(&self, now: Instant) -> Duration {
        let state = self.state.lock();
        let oldest = state.sending.or(state.since);
        oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// The next thing for the writer. What it took before is taken as sent.
    pub(crate) async fn next(&self) -> Option<Outgoing> {
        loop {
            let woken = self.wake.notified();
            if let Some(next) = self.take()? {
                return Some(next);
            }
            woken.await;
        }
    }

    fn take(&self) -> Option<Option<Outgoing>> {
        let mut state = self.state.lock();
        state.sending = None;
        if state.over {
            return None;
        }
        if state.since.take().is_some() {
            state.sending = Some(Instant::now());
            state.own_bytes = 0;
            let own = std::mem::take(&mut state.own);
            let shared = state.shared.take();
            if !self.shown.get().is_some_and(|live| live.has_moved()) {
                drop(state);
                return Some(Some(Outgoing::Frame(whole(shared, &own))));
            }
            // An instance that was paused has woken with it.
            state.sending = None;
        }
        let closing = state.closing.take();
        state.over |= closing.is_some();
        Some(closing.map(Outgoing::Close))
    }
}

pub(crate) fn too_slow() -> Closing {
    Closing {
        code: super::close::SLOW,
        reason: "the client does not take what it is sent".to_owned(),
        retry_after_ms: 1_000,
    }
}

/// A protobuf message is the concatenation of its parts.
fn whole(shared: Option<Bytes>, own: &pb::ServerFrame) -> Bytes {
    let own_bytes = own.encoded_len();
    match shared {
        Some(shared) if own_bytes == 0 => shared,
        Some(shared) => {
            let mut bytes = Vec::with_capacity(shared.len() + own_bytes);
            // What is the client's own comes first: of a number that both have, the shared one counts.
            own.encode_raw(&mut bytes);
            bytes.extend_from_slice(&shared);
            bytes.into()
        }
        None => own.encode_to_vec().into(),
    }
}

fn merge(into: &mut pb::ServerFrame, own: pb::ServerFrame) {
    into.event_seq = into.event_seq.max(own.event_seq);
    into.tick = into.tick.max(own.tick);
    into.epoch = into.epoch.max(own.epoch);
    into.events_skipped |= own.events_skipped;
    into.results.extend(own.results);
    into.events.extend(own.events);
    let pb::ServerFrame { welcome, snapshot, correction, pong, fault, .. } = own;
    into.welcome = welcome.or(into.welcome.take());
    into.snapshot = snapshot.or(into.snapshot.take());
    into.correction = correction.or(into.correction.take());
    into.pong = pong.or(into.pong.take());
    into.fault = fault.or(into.fault.take());
}

#[cfg(test)]
mod tests {
    use gamemesh_domain::combat::content::SpectateRules;

    use super::*;

    fn result(seq: u32) -> pb::ServerFrame {
        let results = vec![pb::CommandResult { seq, ..pb::CommandResult::default() }];
        pb::ServerFrame { results, ..pb::ServerFrame::default() }
    }

    fn shared(tick: u32) -> Bytes {
        pb::ServerFrame { tick, epoch: 1, ..pb::ServerFrame::default() }.encode_to_vec().into()
    }

    async fn frame(outlet: &Outlet) -> pb::ServerFrame {
        match outlet.next().await {
            Some(Outgoing::Frame(bytes)) => pb::ServerFrame::decode(bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_second_frame_is_not_made_before_the_first_has_gone() {
        let outlet = Outlet::default();
        assert!(outlet.is_free());
        assert_eq!(outlet.put_shared(shared(1)), Put::Taken);
        assert!(!outlet.is_free());
        assert_eq!(outlet.put_shared(shared(2)), Put::Conflated);
        outlet.put_own(result(7));
        outlet.put_own(result(8));
        let sent = frame(&outlet).await;
        assert_eq!((sent.tick, sent.results.len()), (1, 2));
        assert!(outlet.is_free());
    }

    #[tokio::test]
    async fn what_a_client_does_not_take_is_bounded_and_then_it_is_closed() {
        let outlet = Outlet::default();
        let put = (0..1_000).filter(|n| outlet.put_own(result(*n)) == Put::Taken).count();
        assert_eq!(put, RESULTS_MAX);
        assert_eq!(outlet.put_shared(shared(1)), Put::Over);
        assert_eq!(frame(&outlet).await.results.len(), RESULTS_MAX);
        assert!(matches!(outlet.next().await, Some(Outgoing::Close(c)) if c.code == 4408));
        // Nothing follows the end.
        assert!(outlet.is_over());
        assert_eq!(outlet.put_own(result(1)), Put::Over);
        assert!(outlet.next().await.is_none());
    }

    #[tokio::test]
    async fn what_was_put_in_before_the_session_moved_is_not_shown_after_that() {
        let (outlet, period) = (Outlet::default(), Duration::from_millis(33));
        let spectate = SpectateRules { allowed: true, delay_s: 0, spectators_max: 1 };
        let live = Arc::new(Live::new(Instant::now(), 1, period, spectate, None));
        outlet.shows(live.clone());
        outlet.put_shared(shared(1));
        assert_eq!(frame(&outlet).await.tick, 1);
        outlet.put_shared(shared(2));
        outlet.put_own(result(7));
        live.move_away();
        outlet.close(too_slow());
        assert!(matches!(outlet.next().await, Some(Outgoing::Close(_))));
    }

    #[tokio::test]
    async fn how_long_a_frame_has_waited_is_known() {
        let outlet = Outlet::default();
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert_eq!(outlet.waiting(later(9)), Duration::ZERO);
        outlet.put_shared(shared(1));
        assert!(outlet.waiting(later(1)) >= Duration::from_secs(1));
        let _busy = outlet.next().await;
        // It is with the writer, who does not come back for more.
        assert!(outlet.waiting(later(4)) > STALLED_MAX);
    }
}
