//! When a circuit breaker opens and closes: the rule alone, without clock or connection.

use std::time::Duration;

/// Failures in a row that open the breaker.
pub const FAILURES_MAX: u32 = 5;

/// How long an open breaker refuses before it lets one caller try.
pub const OPEN: Duration = Duration::from_millis(250);

/// How long one caller may try before another may: the first may have gone away.
pub const PROBE: Duration = Duration::from_secs(1);

/// Times are durations since any fixed moment.
#[derive(Debug)]
pub(crate) struct StateMachine {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Duration },
    HalfOpen { until: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Pass,
    /// The server is to be asked something cheap first.
    Probe,
    Refuse,
}

impl StateMachine {
    pub(crate) fn new() -> Self {
        Self { state: State::Closed { failures: 0 } }
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    pub(crate) fn admit(&mut self, now: Duration) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Pass,
            State::Open { until } | State::HalfOpen { until } if now < until => Admission::Refuse,
            State::Open { .. } | State::HalfOpen { .. } => {
                self.state = State::HalfOpen { until: now + PROBE };
                Admission::Probe
            }
        }
    }

    /// The caller who was to try goes away without a result: another may at once.
    pub(crate) fn abandoned(&mut self, now: Duration) {
        if matches!(self.state, State::HalfOpen { .. }) {
            self.state = State::HalfOpen { until: now };
        }
    }

    /// The server did what it was asked. A late result from before the breaker opened does not count.
    pub(crate) fn succeeded(&mut self) {
        if !matches!(self.state, State::Open { .. }) {
            self.state = State::Closed { failures: 0 };
        }
    }

    /// The server could not be reached.
    pub(crate) fn failed(&mut self, now: Duration) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < FAILURES_MAX => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } | State::HalfOpen { .. } => State::Open { until: now + OPEN },
            open @ State::Open { .. } => open,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `f` and `s`: failure and success; `g`: the caller who tries gives up; `p`, `t`, `r`: a caller who
    /// passes, tries, is refused; `>` and `»`: the time of an open breaker and of a try go by.
    fn play(steps: &str) {
        let mut breaker = StateMachine::new();
        let mut now = Duration::from_secs(7);
        for (at, step) in steps.chars().enumerate() {
            let expected = match step {
                'f' => {
                    breaker.failed(now);
                    continue;
                }
                's' => {
                    breaker.succeeded();
                    continue;
                }
                'g' => {
                    breaker.abandoned(now);
                    continue;
                }
                '>' => {
                    now += OPEN;
                    continue;
                }
                '»' => {
                    now += PROBE;
                    continue;
                }
                'p' => Admission::Pass,
                't' => Admission::Probe,
                _ => Admission::Refuse,
            };
            assert_eq!(breaker.admit(now), expected, "step {at} of {steps}");
        }
    }

    #[test]
    fn tables() {
        let cases = [
            // It opens after so many failures in a row, no fewer.
            "ppp",
            "ffffp",
            "fffffrr",
            "ffffsffffp",
            // One tries when the time is over, the others wait for what he finds.
            "fffff>trr",
            "fffff>tspp",
            "fffff>tfrr",
            "fffff>tfr>tsp",
            // A try that nobody reports ends by itself.
            "fffff>tr»trr",
            // One that is given up leaves its turn to the next, and changes nothing otherwise.
            "fffff>trgtr",
            "fffff>tggtspp",
            "fffffgr>t",
            "ffffgpfr",
            // A result from before it opened does not close it, nor keep it open.
            "fffffsr",
            "fffffffr>t",
            // Closed again it counts from zero.
            "fffff>tsffffp",
        ];
        for steps in cases {
            play(steps);
        }
    }

    #[test]
    fn it_opens_for_its_time_exactly() {
        let mut breaker = StateMachine::new();
        let now = Duration::from_secs(1);
        for _ in 0..FAILURES_MAX {
            assert!(breaker.is_closed());
            breaker.failed(now);
        }
        assert!(!breaker.is_closed());
        assert_eq!(breaker.admit(now + OPEN - Duration::from_nanos(1)), Admission::Refuse);
        assert_eq!(breaker.admit(now + OPEN), Admission::Probe);
    }
}
