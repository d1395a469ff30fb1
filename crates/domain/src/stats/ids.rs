//! What events, matches, players and weapons are called.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Error, Result};

/// The name of a match, player, team, weapon, item or objective: 1 to 128 bytes of UTF-8 without
/// control characters and without white space at either end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    pub const BYTES_MAX: usize = 128;

    /// The name in a field of the request, whose name the refusal says.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let valid = (1..=Self::BYTES_MAX).contains(&text.len())
            && !text.chars().any(char::is_control)
            && text.trim().len() == text.len();
        if valid {
            return Ok(Self(text.into()));
        }
        Err(Error::invalid(
            field,
            "accepts 1 to 128 bytes of UTF-8 without control characters and without spaces at its ends",
        ))
    }

    /// As [`Self::parse`], where empty means that nothing is said.
    pub fn parse_optional(field: &str, text: &str) -> Result<Option<Self>> {
        if text.is_empty() { Ok(None) } else { Self::parse(field, text).map(Some) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 128 bits that name an event within its match.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    pub const TEXT_BYTES_MAX: usize = 128;

    /// A UUID, or 32 hexadecimal digits, stands for itself; any other text for its hash. The text is
    /// answered where it has to be kept to tell what was meant.
    pub fn parse(text: &str) -> Result<(Self, Option<&str>)> {
        if let Some(id) = uuid(text) {
            return Ok((id, None));
        }
        Name::parse("eventId", text)?;
        Ok((Self::of(&[text.as_bytes()]), Some(text)))
    }

    /// The id of an event that has a place in its producer's sequence and no id of its own.
    pub fn of_sequence(producer: &str, epoch: u32, sequence: u64) -> Self {
        Self::of(&[producer.as_bytes(), &epoch.to_be_bytes(), &sequence.to_be_bytes()])
    }

    /// FNV-1a in 128 bits over parts that are kept apart by their lengths.
    fn of(parts: &[&[u8]]) -> Self {
        const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let step = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        let hash = parts.iter().fold(BASIS, |hash, part| {
            let hash = (part.len() as u64).to_be_bytes().into_iter().fold(hash, step);
            part.iter().copied().fold(hash, step)
        });
        Self(hash.to_be_bytes())
    }
}

fn uuid(text: &str) -> Option<EventId> {
    let bytes = text.as_bytes();
    let dashed = match bytes.len() {
        32 => false,
        36 => true,
        _ => return None,
    };
    let (mut id, mut at) = ([0_u8; 16], 0);
    for (index, byte) in id.iter_mut().enumerate() {
        if dashed && matches!(index, 4 | 6 | 8 | 10) {
            if bytes[at] != b'-' {
                return None;
            }
            at += 1;
        }
        let digit = |at: usize| char::from(bytes[at]).to_digit(16);
        *byte = (digit(at)? << 4 | digit(at + 1)?) as u8;
        at += 2;
    }
    Some(EventId(id))
}

impl FromStr for EventId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text).map(|(id, _)| id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_stand_for_themselves() {
        let text = "0190a6f0-1234-7abc-8def-0123456789ab";
        let (id, label) = EventId::parse(text).unwrap();
        assert_eq!((id.to_string().as_str(), label), (text, None));
        assert_eq!(EventId::parse(&text.replace('-', "").to_uppercase()).unwrap().0, id);
        let (other, label) = EventId::parse("0190a6f0-1234-7abc-8def-0123456789aX").unwrap();
        assert_ne!(other, id);
        assert_eq!(label, Some("0190a6f0-1234-7abc-8def-0123456789aX"));
    }

    #[test]
    fn other_texts_stand_for_their_hash() {
        let (one, label) = EventId::parse("kill-1").unwrap();
        assert_eq!(label, Some("kill-1"));
        assert_ne!(one, EventId::parse("kill-2").unwrap().0);
        for refused in ["", " kill", &"x".repeat(129), &"x".repeat(4_096), "a\u{0}b"] {
            assert!(EventId::parse(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn places_in_sequences_differ() {
        let ids = [("a", 1, 1), ("a", 1, 2), ("a", 2, 1), ("b", 1, 1), ("a\u{0}", 1, 1)]
            .map(|(producer, epoch, at)| EventId::of_sequence(producer, epoch, at));
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id));
        }
    }
}
