//! Spectators: who may watch, and how late.

use std::collections::VecDeque;

use super::content::SpectateRules;
use super::verdict::{Reason, Verdict};

/// What spectators will see, held back until it is old enough.
///
/// There is no other way to what it holds than [`Delayed::release`], which takes the time of now: a
/// spectator cannot be sent anything younger than the delay.
#[derive(Debug, Clone)]
pub struct Delayed<T> {
    delay_us: u64,
    held: VecDeque<(u64, T)>,
    held_max: usize,
}

impl<T> Delayed<T> {
    /// Holds at most `held_max` items: a full one refuses, and its owner sends a full state later.
    pub fn new(rules: &SpectateRules, held_max: usize) -> Self {
        let delay_us = u64::from(rules.delay_s) * 1_000_000;
        Self { delay_us, held: VecDeque::new(), held_max }
    }

    /// Takes what happened at a time; gives it back if there is no room. Times do not decrease.
    pub fn hold(&mut self, at_us: u64, item: T) -> Result<(), T> {
        if self.held.len() >= self.held_max {
            return Err(item);
        }
        self.held.push_back((at_us, item));
        Ok(())
    }

    /// The next item that is old enough.
    pub fn release(&mut self, now_us: u64) -> Option<(u64, T)> {
        let (at_us, _) = self.held.front()?;
        if at_us.saturating_add(self.delay_us) <= now_us { self.held.pop_front() } else { None }
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

impl SpectateRules {
    /// Whether one more may watch.
    pub const fn admit(&self, spectators: u32) -> Verdict {
        if !self.allowed {
            Verdict::of(Reason::SpectatorsRefused)
        } else if spectators >= self.spectators_max {
            Verdict::of(Reason::SessionFull)
        } else {
            Verdict::of(Reason::Accepted)
        }
    }
}
