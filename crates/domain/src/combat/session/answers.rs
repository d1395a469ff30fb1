//! What a player was answered last, so that a repetition gets the first answer.

use crate::Result;
use crate::combat::content::Part;
use crate::combat::verdict::Reason;
use crate::combat::wire::{Reader, Wire, wire_struct};
use crate::combat::{PlayerNo, Tick};

/// Answers remembered for each player and kind. Older numbers are stale.
pub const ANSWERS_MAX: usize = 64;

/// How far a number may be ahead of the last one.
const SKIP_MAX: u32 = 64;

/// The newest answers, by number. A window as those against replays in IPsec (RFC 4303 §3.4.3), with the
/// answers kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    list: Vec<Answer>,
}

/// The first answer to a numbered command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub seq: u32,
    pub reason: Reason,
    pub target: Option<PlayerNo>,
    pub part: Part,
    pub damage: u32,
    pub hits: u8,
    pub killed: bool,
    pub ready_at: Tick,
}

wire_struct!(Answer { seq, reason, target, part, damage, hits, killed, ready_at });

/// What a number is to the answers so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbered {
    New,
    Repeated(Answer),
    /// Older than what is remembered.
    Old,
    /// 0, or too far ahead.
    Impossible,
}

impl Answers {
    /// The highest number answered; 0 before the first.
    pub fn top(&self) -> u32 {
        self.list.last().map_or(0, |answer| answer.seq)
    }

    pub fn classify(&self, seq: u32) -> Numbered {
        if seq == 0 || seq > self.top().saturating_add(SKIP_MAX) {
            return Numbered::Impossible;
        }
        match self.list.binary_search_by_key(&seq, |answer| answer.seq) {
            Ok(at) => Numbered::Repeated(self.list[at]),
            Err(0) if self.list.len() == ANSWERS_MAX => Numbered::Old,
            Err(_) => Numbered::New,
        }
    }

    pub(super) fn remember(&mut self, answer: Answer) {
        let Err(at) = self.list.binary_search_by_key(&answer.seq, |known| known.seq) else {
            return;
        };
        self.list.insert(at, answer);
        if self.list.len() > ANSWERS_MAX {
            self.list.remove(0);
        }
    }
}

impl Wire for Answers {
    fn write(&self, out: &mut Vec<u8>) {
        self.list.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let list: Vec<Answer> = Vec::read(reader)?;
        let ordered = list.windows(2).all(|pair| pair[0].seq < pair[1].seq);
        if ordered && list.len() <= ANSWERS_MAX {
            Ok(Self { list })
        } else {
            Err(reader.corrupted("answers out of order"))
        }
    }
}
