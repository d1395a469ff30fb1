//! What is known of a session outside its shard: its clock, and what spectators may see.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gamemesh_domain::combat::Reason;
use gamemesh_domain::combat::content::SpectateRules;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::Licence;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::delay::{Cursor, Delayed, Recording};
use super::hosted::is_lost;

/// Shared by the owner of a session and its connections.
#[derive(Debug)]
pub(crate) struct Live {
    /// The zero of the session's times in this process.
    base: Instant,
    period_us: AtomicU64,
    tick: AtomicU32,
    tick_at_us: AtomicU64,
    epoch: u64,
    spectate: SpectateRules,
    recording: Mutex<Recording>,
    spectators: AtomicU32,
    over: AtomicBool,
    moved: AtomicBool,
    /// Where others share the log: what is shown is shown under it.
    licence: Option<Weak<Licence>>,
}

/// Counts a spectator for as long as it looks on.
#[derive(Debug)]
pub(crate) struct Spectating(std::sync::Arc<Live>);

impl Live {
    pub(crate) fn new(
        now: Instant,
        epoch: u64,
        period: Duration,
        spectate: SpectateRules,
        licence: Option<&Arc<Licence>>,
    ) -> Self {
        Self {
            base: now,
            period_us: AtomicU64::new(period.as_micros() as u64),
            tick: AtomicU32::new(0),
            tick_at_us: AtomicU64::new(0),
            epoch,
            spectate,
            recording: Mutex::default(),
            spectators: AtomicU32::new(0),
            over: AtomicBool::new(false),
            moved: AtomicBool::new(false),
            licence: licence.map(Arc::downgrade),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn period_us(&self) -> u64 {
        self.period_us.load(Ordering::Relaxed)
    }

    pub(crate) fn now_us(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.base).as_micros() as u64
    }

    pub(crate) fn tick(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_secs(self.spectate.delay_s.into())
    }

    fn delay_us(&self) -> u64 {
        u64::from(self.spectate.delay_s) * 1_000_000
    }

    /// Whether one more may look on, beside so many.
    pub(crate) fn admit(&self, spectators: u32) -> Result<()> {
        match self.spectate.admit(spectators).reason {
            Reason::Accepted => Ok(()),
            Reason::SessionFull => {
                let what = format!("{} look on already", self.spectate.spectators_max);
                Err(Error::new(Code::SessionFull, what))
            }
            _ => Err(Error::new(Code::PermissionDenied, "nobody may look on in this session")),
        }
    }

    /// The tick of this moment, in 1/256.
    pub(crate) fn tick_q8(&self, now: Instant) -> u64 {
        let period_us = self.period_us().max(1);
        let since = self.now_us(now).saturating_sub(self.tick_at_us.load(Ordering::Relaxed));
        let part = since.min(period_us) * 256 / period_us;
        u64::from(self.tick()) * 256 + part.min(255)
    }

    /// The owner has made a tick.
    pub(super) fn ticked(&self, tick: u32, now: Instant) {
        self.tick.store(tick, Ordering::Relaxed);
        self.tick_at_us.store(self.now_us(now), Ordering::Relaxed);
    }

    pub(super) fn record<T>(&self, work: impl FnOnce(&mut Recording, u64) -> T) -> T {
        work(&mut self.recording.lock(), self.delay_us())
    }

    /// The session takes no more part in anything; what was recorded can still be seen.
    pub(super) fn finish(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The session is given up here: nothing of it is shown any more.
    pub(crate) fn move_away(&self) {
        self.moved.store(true, Ordering::Relaxed);
    }

    /// Whether another instance has the session, or may have it by now.
    pub(crate) fn has_moved(&self) -> bool {
        // A session that is over is in nobody's hands, and can be looked at to its end.
        let is_lost =
            |licence: &Weak<Licence>| licence.upgrade().is_none_or(|licence| is_lost(&licence));
        self.moved.load(Ordering::Relaxed)
            || (!self.is_over() && self.licence.as_ref().is_some_and(is_lost))
    }

    pub(crate) fn spectators(&self) -> u32 {
        self.spectators.load(Ordering::Relaxed)
    }

    /// The next frame of a spectator. It is as old as the session's policy says, by its type.
    pub(crate) fn next_frame(&self, cursor: &mut Cursor, now: Instant) -> Option<Delayed> {
        if self.has_moved() {
            return None;
        }
        self.recording.lock().visible(cursor, self.now_us(now), self.delay_us())
    }

    /// Number of the newest event that a spectator may have been shown.
    pub(crate) fn newest_shown(&self, now: Instant) -> u64 {
        self.recording.lock().newest(self.now_us(now), self.delay_us())
    }

    /// Moves a spectator who does not keep up to the newest picture that he may see.
    pub(crate) fn skip(&self, cursor: &mut Cursor, now: Instant) {
        self.recording.lock().skip(cursor, self.now_us(now), self.delay_us());
    }
}

impl Spectating {
    /// Takes a place among those who look on, if the session's rules have one.
    pub(crate) fn enter(live: std::sync::Arc<Live>) -> Result<Self> {
        let before = live.spectators.fetch_add(1, Ordering::Relaxed);
        // Gives the place back if it is none.
        let place = Self(live);
        place.0.admit(before)?;
        Ok(place)
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0
    }
}

impl Drop for Spectating {
    fn drop(&mut self) {
        self.0.spectators.fetch_sub(1, Ordering::Relaxed);
    }
}
