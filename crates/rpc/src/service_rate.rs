//! How long a call would wait, told by how fast calls are done while there is always one to do.

use std::time::Duration;

/// Calls in flight from which on the server is busy. While there are fewer, how fast they are done
/// tells only how fast they come.
pub(crate) const BUSY_CALLS: usize = 64;

/// Calls whose time together is one measurement.
const MEASURED_CALLS: u32 = 64;

/// What was measured longer ago says nothing of now: a database that stood still may go on.
const FRESH: Duration = Duration::from_secs(2);

/// The rule alone; times are durations since any fixed moment.
#[derive(Debug, Default)]
pub(crate) struct ServiceRate {
    /// When the measurement that is going on began, and the calls done since.
    going_on: Option<(Duration, u32)>,
    /// The time that one call takes the server, and when that was found out.
    per_call: Option<(Duration, Duration)>,
    /// The last measurement alone, and when it ended.
    last: Option<(Duration, Duration)>,
}

impl ServiceRate {
    /// A call was done, and so many are still in flight.
    pub(crate) fn done(&mut self, in_flight: usize, now: Duration) {
        if in_flight < BUSY_CALLS {
            self.going_on = None;
            return;
        }
        let (began, done) = self.going_on.unwrap_or((now, 0));
        if done < MEASURED_CALLS {
            self.going_on = Some((began, done + 1));
            return;
        }
        let measured = now.saturating_sub(began) / MEASURED_CALLS;
        // Of two measurements the better one: one that fell into a stall says nothing of what follows. The first
        // one alone is not believed, or each stall would be followed by refusals.
        let before = self.last.filter(|(_, ended)| began.saturating_sub(*ended) <= FRESH);
        if let Some((before, _)) = before {
            self.per_call = Some((before.min(measured), now));
        }
        self.last = Some((measured, now));
        self.going_on = Some((now, 1));
    }

    /// How long a call waits behind so many; nothing if that is not known.
    pub(crate) fn wait(&self, in_flight: usize, now: Duration) -> Duration {
        if in_flight < BUSY_CALLS {
            return Duration::ZERO;
        }
        let calls = u32::try_from(in_flight).unwrap_or(u32::MAX);
        self.fresh(now).map_or(Duration::ZERO, |per_call| per_call.saturating_mul(calls))
    }

    fn fresh(&self, now: Duration) -> Option<Duration> {
        let (per_call, measured_at) = self.per_call?;
        (now.saturating_sub(measured_at) <= FRESH).then_some(per_call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// So many calls, one each millisecond; answers when the last was done.
    fn done(rate: &mut ServiceRate, calls: u32, in_flight: usize, from: Duration) -> Duration {
        (1..=calls).for_each(|n| rate.done(in_flight, from + n * MS));
        from + calls * MS
    }

    #[test]
    fn a_busy_server_tells_its_pace_and_an_idle_one_does_not() {
        let mut rate = ServiceRate::default();
        let now = done(&mut rate, 500, BUSY_CALLS - 1, Duration::ZERO);
        assert_eq!(rate.wait(5_000, now), Duration::ZERO);
        let now = done(&mut rate, 2 * MEASURED_CALLS, BUSY_CALLS, now);
        assert_eq!(rate.wait(5_000, now), Duration::ZERO, "one measurement and a half");
        let now = done(&mut rate, 1, BUSY_CALLS, now);
        assert_eq!(rate.wait(5_000, now), 5_000 * MS);
        assert_eq!(rate.wait(BUSY_CALLS - 1, now), Duration::ZERO);
    }

    #[test]
    fn it_follows_what_is_measured_and_forgets_what_is_old() {
        let mut rate = ServiceRate::default();
        let now = done(&mut rate, 2 * MEASURED_CALLS + 1, BUSY_CALLS, Duration::ZERO);
        // The next calls take three times as long. The first of these may have been a stall.
        let slower = |rate: &mut ServiceRate, from: Duration| {
            (1..=MEASURED_CALLS).for_each(|n| rate.done(BUSY_CALLS, from + n * 3 * MS));
            from + MEASURED_CALLS * 3 * MS
        };
        let now = slower(&mut rate, now);
        assert_eq!(rate.wait(1_000, now), 1_000 * MS);
        let now = slower(&mut rate, now);
        assert_eq!(rate.wait(1_000, now), 3_000 * MS);
        assert_eq!(rate.wait(1_000, now + FRESH), 3_000 * MS);
        assert_eq!(rate.wait(1_000, now + FRESH + MS), Duration::ZERO);
        // A measurement over a pause in which there was nothing to do would tell nothing.
        let mut rate = ServiceRate::default();
        let now = done(&mut rate, MEASURED_CALLS, BUSY_CALLS, now);
        rate.done(BUSY_CALLS - 1, now);
        done(&mut rate, MEASURED_CALLS, BUSY_CALLS, now + 500 * MS);
        assert_eq!(rate.per_call, None);
    }

    #[test]
    fn after_a_stall_nobody_is_refused() {
        let mut rate = ServiceRate::default();
        rate.done(BUSY_CALLS, Duration::ZERO);
        // Nothing is done for 300 ms; then as fast as ever.
        let now = done(&mut rate, MEASURED_CALLS, 500, 300 * MS);
        assert_eq!(rate.wait(500, now), Duration::ZERO);
        // The next stall is long after, and its measurement is again the first.
        let later = now + 2 * FRESH;
        rate.done(BUSY_CALLS - 1, later);
        rate.done(BUSY_CALLS, later);
        let now = done(&mut rate, MEASURED_CALLS, 500, later + 300 * MS);
        assert_eq!(rate.wait(500, now), Duration::ZERO);
    }

    #[test]
    fn a_server_that_needs_long_for_a_measurement_is_known_too() {
        let mut rate = ServiceRate::default();
        (0..=2 * MEASURED_CALLS).for_each(|n| rate.done(BUSY_CALLS, n * 50 * MS));
        assert_eq!(rate.wait(100, 2 * MEASURED_CALLS * 50 * MS), 5_000 * MS);
    }
}
