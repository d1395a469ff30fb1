//! A player's connection as the owner of the session knows it.

use std::sync::Arc;

use tokio::time::Instant;

use crate::convert::input::Line;
use crate::socket::outlet::Outlet;

/// What the owner remembers of a player between his commands.
#[derive(Debug)]
pub(super) struct Member {
    /// Counts his connections; the newest is the one that counts.
    pub(super) connection: u32,
    pub(super) outlet: Option<Arc<Outlet>>,
    /// Since when he has had no connection.
    pub(super) away_since: Option<Instant>,
    /// When he was last heard of.
    pub(super) heard: Instant,
    /// Number of the last picture that was made for him.
    pub(super) baseline: Option<u32>,
    /// Number of the last event that he was told of.
    pub(super) told: u64,
    /// Ticks of the last two pictures that were handed to his connection.
    handed: [u32; 2],
    acked: u32,
    correction_ack: u32,
    /// The session's time less the client's clock, of the last frame.
    clock_offset_us: Option<i64>,
    /// Every how many ticks he wants a picture.
    pub(super) every: u32,
}

impl Member {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            connection: 0,
            outlet: None,
            away_since: Some(now),
            heard: now,
            baseline: None,
            told: 0,
            handed: [0; 2],
            acked: 0,
            correction_ack: 0,
            clock_offset_us: None,
            every: 1,
        }
    }

    /// A newer connection takes the place of the present one, which is returned.
    pub(super) fn connect(
        &mut self,
        outlet: Arc<Outlet>,
        told: u64,
        now: Instant,
    ) -> Option<Arc<Outlet>> {
        self.connection += 1;
        self.away_since = None;
        self.heard = now;
        self.baseline = None;
        self.told = told;
        self.handed = [0; 2];
        self.acked = 0;
        self.outlet.replace(outlet)
    }

    pub(super) fn disconnect(&mut self, now: Instant) -> Option<Arc<Outlet>> {
        self.away_since = Some(now);
        self.outlet.take()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.outlet.is_some()
    }

    /// A picture of this tick was handed to the connection.
    pub(super) fn handed(&mut self, tick: u32) {
        self.handed = [self.handed[1], tick];
    }

    pub(super) fn takes_correction(&mut self, id: u32) {
        self.correction_ack = self.correction_ack.max(id);
    }

    /// What a command of this player is judged by, beside itself. A caller without a clock of his own
    /// has the one that the player's frames have shown, or the session's.
    pub(super) fn line(
        &mut self,
        client_time_us: Option<u64>,
        snapshot_ack: u32,
        at_us: u64,
        tick: u32,
    ) -> Line {
        let client_us = match (client_time_us, self.clock_offset_us) {
            (Some(client_us), _) => {
                self.clock_offset_us = Some(at_us as i64 - client_us.min(i64::MAX as u64) as i64);
                client_us
            }
            (None, Some(offset)) => (at_us as i64).saturating_sub(offset).max(0) as u64,
            (None, None) => at_us,
        };
        let (acked, written) = match &self.outlet {
            // A frame that is with the writer may not have been written yet.
            Some(outlet) => {
                let written = if outlet.is_free() { self.handed[1] } else { self.handed[0] };
                self.acked = self.acked.max(snapshot_ack).min(written);
                (self.acked, written)
            }
            // Without pictures of ours he plays by his own, which are those of now.
            None => (tick, tick),
        };
        Line { client_us, acked, written, correction_ack: self.correction_ack }
    }
}
