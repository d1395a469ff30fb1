//! What those see who look on: the session as it was, so far behind as its policy says.
//!
//! The owner records encoded frames; a spectator is a cursor into them, and costs nothing else. The only
//! way to a frame is [`Delayed`], and nothing but [`Recording::visible`] makes one, of frames that are old
//! enough: a spectator cannot be sent a newer one, whatever the caller does.

use std::collections::VecDeque;

use bytes::Bytes;

/// A picture that stands alone is recorded so often, in frames.
pub(crate) const KEY_EVERY_FRAMES: u64 = 30;

/// Recorded frames of one session: 120 s at 10 Hz and what a newcomer begins with.
const FRAMES_MAX: usize = 1_400;

/// Their size. Where it does not suffice for the delay, the oldest are not shown.
const BYTES_MAX: usize = 4 << 20;

/// The encoded frames of a session's near past.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    frames: VecDeque<Recorded>,
    bytes: usize,
    next: u64,
    /// Number of the newest picture in it, and of the newest event.
    shown: Option<(u32, u64)>,
}

#[derive(Debug)]
struct Recorded {
    number: u64,
    taking: Taking,
    frame: Bytes,
}

/// How a frame was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taking {
    /// The session's own time, which never goes back.
    pub(crate) time_us: u64,
    pub(crate) tick: u32,
    /// It stands alone.
    pub(crate) is_key: bool,
    /// Its events are those after this number, up to that one.
    pub(crate) after: u64,
    pub(crate) up_to: u64,
}

impl Recorded {
    fn is_visible(&self, now_us: u64, delay_us: u64) -> bool {
        self.taking.time_us.saturating_add(delay_us) <= now_us
    }
}

/// A frame that is as old as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delayed {
    number: u64,
    taking: Taking,
    frame: Bytes,
}

/// Where a spectator is: the number of the next frame. New ones begin at the newest key that they may see.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor(Option<u64>);

impl Delayed {
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// How it was taken.
    pub(crate) fn taking(&self) -> Taking {
        self.taking
    }

    #[cfg(test)]
    fn is_key(&self) -> bool {
        self.taking.is_key
    }
}

impl Recording {
    /// Whether the next frame must stand alone.
    pub(crate) fn wants_key(&self) -> bool {
        self.next.is_multiple_of(KEY_EVERY_FRAMES) || self.frames.is_empty()
    }

    /// What the next frame goes on from: the newest picture, unless it must stand alone, and the newest
    /// event.
    pub(crate) fn shown(&self, is_key: bool) -> (Option<u32>, Option<u64>) {
        let picture = self.shown.map(|(picture, _)| picture).filter(|_| !is_key);
        (picture, self.shown.map(|(_, event)| event))
    }

    /// The next frame goes on from this picture and this event.
    pub(crate) fn shows(&mut self, picture: u32, event: u64) {
        self.shown = Some((picture, event));
    }

    /// Records a frame.
    pub(crate) fn record(&mut self, taking: Taking, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(Recorded { number: self.next, taking, frame });
        self.next += 1;
        while self.frames.len() > FRAMES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= oldest.frame.len();
        }
    }

    /// Forgets what nobody can ask for any more.
    pub(crate) fn keep(&mut self, now_us: u64, delay_us: u64) {
        let is_visible_key =
            |frame: &Recorded| frame.taking.is_key && frame.is_visible(now_us, delay_us);
        let newest_key = self.frames.iter().rposition(is_visible_key);
        for _ in 0..newest_key.unwrap_or(0).saturating_sub(2 * KEY_EVERY_FRAMES as usize) {
            if let Some(oldest) = self.frames.pop_front() {
                self.bytes -= oldest.frame.len();
            }
        }
    }

    /// The next frame of a spectator that is `delay_us` old, if there is one. Who has fallen behind what
    /// is kept goes on at a key.
    pub(crate) fn visible(
        &self,
        cursor: &mut Cursor,
        now_us: u64,
        delay_us: u64,
    ) -> Option<Delayed> {
        let old_enough = |frame: &&Recorded| frame.is_visible(now_us, delay_us);
        let first = self.frames.front()?.number;
        let next = match cursor.0 {
            Some(number) if number >= first => {
                self.frames.get((number - first) as usize).filter(old_enough)?
            }
            _ => self.frames.iter().rev().find(|frame| frame.taking.is_key && old_enough(frame))?,
        };
        cursor.0 = Some(next.number + 1);
        let Recorded { number, taking, ref frame } = *next;
        Some(Delayed { number, taking, frame: frame.clone() })
    }

    /// Number of the newest event that a spectator may have been shown.
    pub(crate) fn newest(&self, now_us: u64, delay_us: u64) -> u64 {
        let visible = self.frames.iter().rev().find(|frame| frame.is_visible(now_us, delay_us));
        visible.map_or(0, |frame| frame.taking.up_to)
    }

    /// Moves a spectator who is behind to the newest key that he may see, if that is ahead of him.
    pub(crate) fn skip(&self, cursor: &mut Cursor, now_us: u64, delay_us: u64) {
        let is_visible_key =
            |frame: &&Recorded| frame.taking.is_key && frame.is_visible(now_us, delay_us);
        let key = self.frames.iter().rev().find(is_visible_key);
        if let (Some(key), Some(at)) = (key, cursor.0)
            && key.number > at
        {
            cursor.0 = Some(key.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(time_us: u64) -> Bytes {
        Bytes::from(time_us.to_be_bytes().to_vec())
    }

    fn taken(time_us: u64, is_key: bool) -> Taking {
        Taking { time_us, tick: time_us as u32, is_key, after: 0, up_to: 0 }
    }

    fn time_of(delayed: &Delayed) -> u64 {
        u64::from_be_bytes(delayed.frame()[..8].try_into().unwrap())
    }

    proptest! {
        /// Information does not flow early: whatever is asked when, no frame is newer than now less the
        /// delay, and each spectator gets frames in order, beginning with one that stands alone.
        #[test]
        fn nothing_is_seen_before_its_time(
            steps in prop::collection::vec((1..400_000_u64, any::<bool>(), any::<bool>()), 1..200),
            delay_s in prop::sample::select(vec![0_u64, 10, 30]),
        ) {
            let delay_us = delay_s * 1_000_000;
            let (mut recording, mut cursor, mut now) = (Recording::default(), Cursor::default(), 0);
            let mut last: Option<Delayed> = None;
            for (step, asks, skips) in steps {
                now += step;
                let is_key = recording.wants_key();
                recording.record(taken(now, is_key), frame(now));
                recording.keep(now, delay_us);
                if skips {
                    recording.skip(&mut cursor, now, delay_us);
                }
                while let Some(seen) = asks
                    .then(|| recording.visible(&mut cursor, now, delay_us))
                    .flatten()
                {
                    prop_assert!(time_of(&seen) + delay_us <= now);
                    match &last {
                        None => prop_assert!(seen.is_key()),
                        Some(before) => {
                            prop_assert!(seen.number > before.number);
                            prop_assert!(seen.number == before.number + 1 || seen.is_key());
                        }
                    }
                    last = Some(seen);
                }
            }
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut recording = Recording::default();
        for n in 0..10_000 {
            let is_key = recording.wants_key();
            recording.record(taken(n, is_key), Bytes::from(vec![0; 10_000]));
        }
        assert!(recording.bytes <= BYTES_MAX && recording.frames.len() <= FRAMES_MAX);
        let mut late = Cursor(Some(3));
        let seen = recording.visible(&mut late, 10_000, 0).unwrap();
        assert!(seen.is_key());
    }
}
