//! Signed tokens: read tokens, resume tokens of watches, page tokens of lists.
//!
//! A token is `format, kind, store, issued, parameters, lanes, key` and the first 16 bytes of a keyed
//! BLAKE3 hash of these, in URL-safe base64. All instances of a store derive the same key, so that a
//! token works on any of them and after a restart. The client crate reads lanes and positions of its read
//! tokens, to know which of them cover the others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{Incarnation, Lane};

use crate::Cut;

/// Size of a token's text.
pub const TOKEN_BYTES_MAX: usize = 512;

const FORMAT: u8 = 1;
const MAC_BYTES: usize = 16;
const HEAD_BYTES: usize = 2 + 8 + 8 + 8 + 1;

/// What a token is for; one kind is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// "At least as new as this."
    Read = 1,
    /// "Go on after this."
    Resume = 2,
    /// "The page after this."
    Page = 3,
}

/// What a token says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Digest of the request's other parameters; 0 where there are none.
    pub parameters: u64,
    /// Positions, exclusive: what lies at or before them has been seen.
    pub cut: Cut,
    /// Where a page ended.
    pub key: String,
}

/// Signs and checks the tokens of one store.
pub struct Tokens {
    key: [u8; 32],
    store: [u8; 8],
    /// Resume and page tokens older than this are refused.
    age_us_max: i64,
}

impl Tokens {
    /// The key depends on the service, so that no service takes a token of another. `secret` may be
    /// empty: then whoever knows the store's identity can make tokens, which is for development only.
    pub fn new(service: &str, secret: &[u8], store: Incarnation, age_us_max: i64) -> Self {
        let context = format!("gamemesh {service} tokens, format {FORMAT}");
        let mut hasher = blake3::Hasher::new_derive_key(&context);
        hasher.update(&store.0).update(secret);
        let identity = blake3::hash(&store.0);
        let mut short = [0; 8];
        short.copy_from_slice(&identity.as_bytes()[..8]);
        Self { key: *hasher.finalize().as_bytes(), store: short, age_us_max }
    }

    pub fn issue(&self, kind: Kind, claim: &Claim, now_us: i64) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + 10 * claim.cut.0.len() + 32);
        bytes.extend([FORMAT, kind as u8]);
        bytes.extend(self.store);
        bytes.extend(now_us.to_be_bytes());
        bytes.extend(claim.parameters.to_be_bytes());
        bytes.push(claim.cut.0.len() as u8);
        for (lane, position) in &claim.cut.0 {
            bytes.extend(lane.0.to_be_bytes());
            bytes.extend(position.to_be_bytes());
        }
        bytes.extend(claim.key.as_bytes());
        let mac = blake3::keyed_hash(&self.key, &bytes);
        bytes.extend(&mac.as_bytes()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token says, if it was issued for this store, for this kind of use and these
    /// parameters, and is not too old. `field` is the request's field, for the error.
    pub fn check(
        &self,
        field: &str,
        token: &str,
        kind: Kind,
        parameters: u64,
        now_us: i64,
    ) -> Result<Claim> {
        let refuse =
            |code, what: &str| Error::new(code, format!("{field}: {what}")).with_field(field, what);
        let invalid =
            || refuse(Code::TokenInvalid, "accepts a token of an earlier answer, unaltered");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
        let parts = Parts::read(&bytes).ok_or_else(invalid)?;
        // A token of another store cannot be checked with this store's key, so this comes first; it
        // only chooses between two refusals.
        if parts.store != self.store {
            return Err(refuse(
                Code::TokenForeign,
                "the token belongs to another store; start again without it",
            ));
        }
        // blake3::Hash compares in constant time, and only as a whole.
        let mut expected = *blake3::keyed_hash(&self.key, parts.signed).as_bytes();
        expected[MAC_BYTES..].fill(0);
        let mut given = [0; 32];
        given[..MAC_BYTES].copy_from_slice(parts.mac);
        if blake3::Hash::from_bytes(expected) != blake3::Hash::from_bytes(given) {
            return Err(invalid());
        }
        if parts.kind != kind as u8 {
            return Err(refuse(Code::TokenInvalid, "the token is of another kind"));
        }
        if kind != Kind::Read && now_us.saturating_sub(parts.issued_us) > self.age_us_max {
            return Err(refuse(Code::TokenExpired, "the token is too old; start again without it"));
        }
        if parts.parameters != parameters {
            return Err(refuse(
                Code::TokenMismatch,
                "the token belongs to a request with other parameters; repeat those or start without it",
            ));
        }
        Ok(Claim { parameters, cut: parts.cut, key: parts.key.to_owned() })
    }
}

/// A token taken apart, not yet believed.
struct Parts<'a> {
    kind: u8,
    store: [u8; 8],
    issued_us: i64,
    parameters: u64,
    cut: Cut,
    key: &'a str,
    signed: &'a [u8],
    mac: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (signed, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        let (head, mut rest) = signed.split_at_checked(HEAD_BYTES)?;
        if head[0] != FORMAT {
            return None;
        }
        let mut cut = Cut::default();
        for _ in 0..head[26] {
            let (lane, after) = rest.split_first_chunk::<2>()?;
            let (position, after) = after.split_first_chunk::<8>()?;
            cut.0.push((Lane(u16::from_be_bytes(*lane)), u64::from_be_bytes(*position)));
            rest = after;
        }
        Some(Self {
            kind: head[1],
            store: head[2..10].try_into().ok()?,
            issued_us: i64::from_be_bytes(head[10..18].try_into().ok()?),
            parameters: u64::from_be_bytes(head[18..26].try_into().ok()?),
            cut,
            key: std::str::from_utf8(rest).ok()?,
            signed,
            mac,
        })
    }
}

/// The digest of a request's parameters, the fingerprint of its filter among them, which binds a
/// token to them.
pub fn parameters(parts: &[&str], filter: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&filter.to_be_bytes());
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
    }
    let mut short = [0; 8];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_US: i64 = 86_400_000_000;

    fn tokens(store: u8) -> Tokens {
        Tokens::new("state", b"secret", Incarnation([store; 16]), DAY_US)
    }

    fn claim() -> Claim {
        Claim { parameters: 7, cut: Cut::at(Lane(0), 41), key: "player/é".into() }
    }

    fn refusal(result: Result<Claim>) -> Code {
        result.unwrap_err().code
    }

    #[test]
    fn a_token_says_what_was_put_in() {
        let tokens = tokens(1);
        let token = tokens.issue(Kind::Page, &claim(), 5);
        assert_eq!(tokens.check("t", &token, Kind::Page, 7, 6).unwrap(), claim());
    }

    #[test]
    fn what_is_wrong_with_a_token_is_told_apart() {
        let mine = tokens(1);
        let token = mine.issue(Kind::Resume, &claim(), 5);
        let check = |t: &Tokens, kind, parameters, now| {
            refusal(t.check("t", &token, kind, parameters, now))
        };
        assert_eq!(check(&tokens(2), Kind::Resume, 7, 6), Code::TokenForeign);
        assert_eq!(check(&mine, Kind::Page, 7, 6), Code::TokenInvalid);
        assert_eq!(check(&mine, Kind::Resume, 8, 6), Code::TokenMismatch);
        assert_eq!(check(&mine, Kind::Resume, 7, DAY_US + 6), Code::TokenExpired);
        let other_secret = Tokens::new("state", b"other", Incarnation([1; 16]), DAY_US);
        assert_eq!(check(&other_secret, Kind::Resume, 7, 6), Code::TokenInvalid);
        assert!(mine.check("t", &token, Kind::Resume, 7, DAY_US).is_ok());
    }

    #[test]
    fn no_altered_token_is_taken() {
        let tokens = tokens(1);
        let token = URL_SAFE_NO_PAD.decode(tokens.issue(Kind::Resume, &claim(), 5)).unwrap();
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut altered = token.clone();
                altered[at] ^= 1 << bit;
                let text = URL_SAFE_NO_PAD.encode(altered);
                assert!(
                    tokens.check("t", &text, Kind::Resume, 7, 6).is_err(),
                    "byte {at} bit {bit}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_is_taken_or_panics(text in ".{0,600}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let tokens = tokens(1);
            prop_assert!(tokens.check("t", &text, Kind::Read, 0, 0).is_err());
            prop_assert!(tokens.check("t", &URL_SAFE_NO_PAD.encode(bytes), Kind::Read, 0, 0).is_err());
        }
    }
}
