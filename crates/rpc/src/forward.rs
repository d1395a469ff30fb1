//! The mark of a call that one instance passes on to another.
//!
//! Whoever receives a marked call works on it himself, wherever it belongs: no call is passed on
//! twice. The mark is also a proof, made of the secret that instances share, that the caller's
//! allowance was asked for where he called: it is not spent a second time. A mark that proves
//! nothing does no harm, since it asks for nothing but to be worked on here.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Secret;

pub const FORWARDED_HEADER: HeaderName = HeaderName::from_static("x-gamemesh-forwarded");

const CONTEXT: &str = "gamemesh 2026-11 call forwarded between instances";

/// What marks the calls that an instance passes on.
#[derive(Clone)]
pub struct Mark {
    /// Absent where nobody is authenticated.
    proof: Option<blake3::Hash>,
}

impl Mark {
    /// The mark of all instances with this secret.
    pub fn new(secret: Option<&Secret>) -> Self {
        let proof = secret.map(|secret| {
            blake3::Hasher::new_derive_key(CONTEXT).update(secret.expose().as_bytes()).finalize()
        });
        Self { proof }
    }

    /// Marks a call.
    pub fn put(&self, headers: &mut HeaderMap) {
        let text = self.proof.map(|proof| proof.to_hex().to_string());
        let mut value = HeaderValue::from_str(text.as_deref().unwrap_or("1"))
            .expect("hexadecimal digits are visible");
        value.set_sensitive(true);
        headers.insert(FORWARDED_HEADER, value);
    }

    /// Whether another instance has marked this call.
    pub fn proves(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(FORWARDED_HEADER).and_then(|value| value.to_str().ok());
        let given = given.and_then(|text| blake3::Hash::from_hex(text).ok());
        // The comparison takes the same time wherever they differ.
        self.proof.is_some() && given == self.proof
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_secret_proves_anything() {
        let ours = Mark::new(Some(&Secret::new("0123456789abcdef0123456789abcdef")));
        let others = Mark::new(Some(&Secret::new("another secret of thirty-two byte")));
        let open = Mark::new(None);
        let mut headers = HeaderMap::new();
        assert!(!ours.proves(&headers));
        for (mark, proves) in [(&ours, true), (&others, false), (&open, false)] {
            mark.put(&mut headers);
            assert!(headers.contains_key(FORWARDED_HEADER));
            assert_eq!(ours.proves(&headers), proves);
            assert!(!open.proves(&headers));
        }
        headers.insert(FORWARDED_HEADER, HeaderValue::from_static("not hexadecimal"));
        assert!(!ours.proves(&headers));
        assert!(!format!("{ours:?} {headers:?}").contains("0123456789abcdef"));
    }
}
