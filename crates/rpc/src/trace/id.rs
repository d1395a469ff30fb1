//! Correlation ids that cost nothing until somebody reads them.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// Longest id taken from a caller.
const GIVEN_BYTES_MAX: usize = 128;

#[derive(Debug, Clone)]
pub(super) enum Id {
    Given(HeaderValue),
    Made { bits: u128, new: bool },
}

impl Id {
    /// The caller's id, if it can stand in a log line: visible ASCII, not empty, not endless.
    pub(super) fn given(value: &HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        let fits = !bytes.is_empty()
            && bytes.len() <= GIVEN_BYTES_MAX
            && bytes.iter().all(u8::is_ascii_graphic);
        fits.then(|| Self::Given(value.clone()))
    }

    pub(super) fn made(bits: u128) -> Self {
        Self::Made { bits, new: false }
    }

    /// An id that no other process and no other call has: 64 random bits of the process beside a
    /// counter. Asking the system for random bits at each call would cost a system call.
    pub(super) fn new() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u8));
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        let bits = (u128::from(*PROCESS) << 64) | u128::from(scatter(count));
        Self::Made { bits, new: true }
    }

    /// The bits of such an id.
    pub(super) fn random() -> u128 {
        match Self::new() {
            Self::Made { bits, .. } => bits,
            Self::Given(_) => 1,
        }
    }

    pub(super) fn is_new(&self) -> bool {
        matches!(self, Self::Made { new: true, .. })
    }

    pub(super) fn header_value(&self) -> HeaderValue {
        match self {
            Self::Given(value) => value.clone(),
            Self::Made { bits, .. } => {
                let mut value = HeaderValue::from_bytes(&hex(*bits)).expect("digits are visible");
                value.set_sensitive(true);
                value
            }
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(value) => f.write_str(value.to_str().unwrap_or_default()),
            Self::Made { bits, .. } => write!(f, "{bits:032x}"),
        }
    }
}

fn hex(bits: u128) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bits.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

/// SplitMix64: a bijection, so distinct counts stay distinct, and look it.
fn scatter(count: u64) -> u64 {
    let mut z = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_text_agree() {
        let id = Id::new();
        assert_eq!(id.header_value().to_str().unwrap(), id.to_string());
        assert_eq!(Id::made(0xabc).to_string(), format!("{}abc", "0".repeat(29)));
    }

    #[test]
    fn ids_differ_and_hostile_ones_are_refused() {
        let mut seen = std::collections::HashSet::new();
        assert!((0..10_000).all(|_| seen.insert(Id::new().to_string())));
        for text in ["", "has space", &"x".repeat(129), "caf\u{e9}"] {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            assert!(Id::given(&value).is_none(), "{text:?}");
        }
        assert!(Id::given(&HeaderValue::from_static("order-66/a")).is_some());
    }
}
