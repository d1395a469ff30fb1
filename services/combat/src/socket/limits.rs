//! What one connection may send, by kind of message.

use super::gcra::Gcra;

/// Size of one frame from a client.
pub(crate) const FRAME_BYTES_MAX: usize = 4 << 10;

/// What the transport reads of one. A frame that is larger than it may be is read to its end, so that the
/// client hears why the connection closes: one that ends with something unread takes its last words with it.
pub(crate) const READ_BYTES_MAX: usize = 64 << 10;

/// Frames that cannot be read, within [`MALFORMED_WINDOW_US`]; one more closes the connection.
const MALFORMED_MAX: u32 = 5;
const MALFORMED_WINDOW_US: u64 = 10_000_000;

/// The kinds that have a rate of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Move,
    Shot,
    Action,
    Control,
}

/// The rates of one connection.
#[derive(Debug)]
pub(crate) struct Limits {
    moves: Gcra,
    shots: Gcra,
    actions: Gcra,
    control: Gcra,
    bytes: Gcra,
    malformed: u32,
    malformed_since_us: u64,
}

impl Limits {
    pub(crate) const fn new() -> Self {
        Self {
            moves: Gcra::new(64, 16),
            shots: Gcra::new(30, 10),
            actions: Gcra::new(20, 10),
            control: Gcra::new(5, 10),
            // 16 KiB a second, and the largest frame four times at once.
            bytes: Gcra::new(16 << 10, 16 << 10),
            malformed: 0,
            malformed_since_us: 0,
        }
    }

    /// Whether a frame of this kind and size is within the rates.
    pub(crate) fn admits(&mut self, kind: Kind, bytes: usize, now_us: u64) -> bool {
        let rate = match kind {
            Kind::Move => &mut self.moves,
            Kind::Shot => &mut self.shots,
            Kind::Action => &mut self.actions,
            Kind::Control => &mut self.control,
        };
        rate.admits(1, now_us) && self.bytes.admits(bytes as u64, now_us)
    }

    /// Counts a frame that cannot be read. Whether the connection may go on.
    pub(crate) fn bears_malformed(&mut self, now_us: u64) -> bool {
        if now_us.saturating_sub(self.malformed_since_us) > MALFORMED_WINDOW_US {
            self.malformed = 0;
            self.malformed_since_us = now_us;
        }
        self.malformed += 1;
        self.malformed <= MALFORMED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_do_not_take_each_others_room() {
        let mut limits = Limits::new();
        let flood = (0..1_000).filter(|_| limits.admits(Kind::Move, 20, 0)).count();
        assert_eq!(flood, 16);
        assert!(limits.admits(Kind::Shot, 20, 0) && limits.admits(Kind::Control, 20, 0));
    }

    #[test]
    fn bytes_have_a_rate_of_their_own() {
        let mut limits = Limits::new();
        let large = (0..100_u64).filter(|n| limits.admits(Kind::Move, 4_096, n * 20_000)).count();
        // 16 KiB at once, then 16 KiB a second for two seconds.
        assert!((10..=14).contains(&large), "{large}");
    }

    #[test]
    fn nonsense_is_borne_five_times_in_ten_seconds() {
        let mut limits = Limits::new();
        assert!((0..5).all(|n| limits.bears_malformed(n)));
        assert!(!limits.bears_malformed(6));
        assert!(limits.bears_malformed(20_000_000));
    }
}
