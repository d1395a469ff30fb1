//! What a read token tells a client that keeps it: which places of the log it names.
//!
//! Tokens are made and checked by the servers. A client only compares its own, to keep those that
//! cover the others; one that it cannot read is still a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Format and kind of a read token.
const READ: [u8; 2] = [1, 1];
/// When it was issued, and the digest of the parameters.
const SKIPPED_BYTES: usize = 8 + 8;

/// What a read token names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) store: [u8; 8],
    /// Lanes, each with the position up to which everything is to be seen.
    pub(crate) cut: Vec<(u16, u64)>,
}

/// Nothing where the text is not a read token of the format that is known here.
pub(crate) fn read(token: &str) -> Option<Named> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (start, rest) = bytes.split_first_chunk::<2>()?;
    if *start != READ {
        return None;
    }
    let (store, rest) = rest.split_first_chunk::<8>()?;
    let (lanes, mut rest) = rest.get(SKIPPED_BYTES..)?.split_first()?;
    let mut cut = Vec::with_capacity(usize::from(*lanes));
    for _ in 0..*lanes {
        let (lane, after) = rest.split_first_chunk::<2>()?;
        let (position, after) = after.split_first_chunk::<8>()?;
        cut.push((u16::from_be_bytes(*lane), u64::from_be_bytes(*position)));
        rest = after;
    }
    Some(Named { store: *store, cut })
}

#[cfg(test)]
pub(crate) fn made(store: u8, cut: &[(u16, u64)]) -> String {
    let mut bytes = READ.to_vec();
    bytes.extend([store; 8]);
    bytes.extend([7; SKIPPED_BYTES]);
    bytes.push(cut.len() as u8);
    for (lane, position) in cut {
        bytes.extend(lane.to_be_bytes());
        bytes.extend(position.to_be_bytes());
    }
    bytes.extend([9; 16]);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_names() {
        for cut in [vec![], vec![(3, 41)], vec![(0, 7), (65_535, u64::MAX)]] {
            let token = made(5, &cut);
            assert_eq!(read(&token), Some(Named { store: [5; 8], cut }));
        }
    }

    #[test]
    fn a_text_that_is_no_read_token_says_nothing() {
        let token = made(5, &[(0, 7)]);
        let page = URL_SAFE_NO_PAD.encode([1, 3].repeat(40));
        for text in ["", "?", "t1", &token[..40], &page] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
