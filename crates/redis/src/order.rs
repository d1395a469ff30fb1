//! Whether an announcement is the next one of its caller: the rule alone.
//!
//! Two commands of one caller can reach the server in another order than they were sent in, when the
//! first was given up and lies in the socket of a server that stood still; and what goes through the
//! bus of a cluster can get lost without a sign.

use std::collections::HashMap;

/// Callers and lanes that are remembered. When it is full they are forgotten, which costs each an
/// interruption.
const SEQUENCES_MAX: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct Order {
    sequences: HashMap<(u64, u16), Sequence>,
}

#[derive(Debug, Default)]
struct Sequence {
    /// The number that is expected next.
    next: u64,
    /// The subscriber was told that it may have missed some.
    is_reported: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Next,
    /// Some before it are missing.
    AfterAGap,
    /// It came before, or its loss has been reported.
    Late,
}

impl Order {
    pub(crate) fn judge(&mut self, caller: u64, lane: u16, number: u64) -> Verdict {
        if self.sequences.len() >= SEQUENCES_MAX && !self.sequences.contains_key(&(caller, lane)) {
            self.sequences.clear();
        }
        let sequence = self.sequences.entry((caller, lane)).or_default();
        if number < sequence.next {
            return Verdict::Late;
        }
        let gap = number > sequence.next && !sequence.is_reported;
        *sequence = Sequence { next: number.saturating_add(1), is_reported: false };
        if gap { Verdict::AfterAGap } else { Verdict::Next }
    }

    /// The subscriber is told that anything may have been missed.
    pub(crate) fn interrupted(&mut self) {
        self.sequences.values_mut().for_each(|sequence| sequence.is_reported = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{AfterAGap, Late, Next};

    #[test]
    fn tables() {
        let mut order = Order::default();
        let table = [
            (1, 0, 0, Next),
            (1, 0, 1, Next),
            (1, 0, 1, Late),
            (1, 0, 0, Late),
            (1, 0, 4, AfterAGap),
            (1, 0, 2, Late),
            (1, 0, 5, Next),
            // Lanes and callers are apart, and a caller may have announced before this listener began.
            (1, 1, 0, Next),
            (2, 0, 7, AfterAGap),
            (2, 0, 8, Next),
        ];
        for (caller, lane, number, expected) in table {
            assert_eq!(order.judge(caller, lane, number), expected, "{caller} {lane} {number}");
        }
        order.interrupted();
        for (number, expected) in [(5, Late), (20, Next), (19, Late), (21, Next), (23, AfterAGap)] {
            assert_eq!(order.judge(1, 0, number), expected, "{number}");
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut order = Order::default();
        for caller in 0..SEQUENCES_MAX as u64 + 10 {
            assert_eq!(order.judge(caller, 0, 0), Next);
        }
        assert!(order.sequences.len() <= SEQUENCES_MAX);
    }
}
