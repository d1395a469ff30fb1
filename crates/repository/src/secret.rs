//! What the instances of one store know and nobody else.

use std::fmt;

use uuid::Uuid;

/// Size of the secret, in bytes: as much as the hashes that it keys.
pub const STORE_SECRET_BYTES: usize = 32;

/// A random secret that a store was given when it was made. Instances of the store show each other by it
/// that they belong together, and sign with it what they give away where the operator gave no secret.
/// Never published, and never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoreSecret([u8; STORE_SECRET_BYTES]);

impl StoreSecret {
    pub const fn new(bytes: [u8; STORE_SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// A new one.
    pub fn generate() -> Self {
        let mut bytes = [0; STORE_SECRET_BYTES];
        for half in bytes.chunks_mut(STORE_SECRET_BYTES / 2) {
            half.copy_from_slice(Uuid::new_v4().as_bytes());
        }
        Self(bytes)
    }

    /// The bytes themselves; the name is there to be seen in a review.
    pub const fn expose(&self) -> &[u8; STORE_SECRET_BYTES] {
        &self.0
    }
}

impl fmt::Debug for StoreSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_none_is_shown() {
        let (one, other) = (StoreSecret::generate(), StoreSecret::generate());
        assert_ne!(one, other);
        assert_eq!(format!("{one:?}"), "[redacted]");
        assert_eq!(StoreSecret::new(*one.expose()), one);
    }
}
