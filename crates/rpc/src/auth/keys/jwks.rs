//! Public keys out of a JSON Web Key Set (RFC 7517).

use std::path::Path;

use gamemesh_domain::Error;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::Key;

/// Size of a key set.
pub(super) const JWKS_BYTES_MAX: usize = 256 << 10;

/// Keys in a set.
const KEYS_MAX: usize = 100;

/// A shorter RSA modulus is not accepted (RFC 7518, section 3.3), in bits.
const RSA_BITS_MIN: usize = 2_048;

/// Members that a public key does not have: symmetric keys and the private parts of others.
const PRIVATE_MEMBERS: [&str; 2] = ["k", "d"];

#[derive(Default)]
pub(in crate::auth) struct PublicKeys(Vec<(Option<String>, Key)>);

impl PublicKeys {
    pub(super) fn of_file(path: &Path) -> Result<Self, Error> {
        let wrong =
            |what: String| Error::invalid("JWT_JWKS_FILE", format!("{}: {what}", path.display()));
        let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
        if size > JWKS_BYTES_MAX as u64 {
            return Err(wrong(format!("is larger than {JWKS_BYTES_MAX} bytes")));
        }
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// The keys of a set that verify signatures. Those of another kind are passed over, as the standard
    /// asks; a set with none of ours, or with private keys, is refused.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let set: Value =
            serde_json::from_slice(text).map_err(|error| format!("is no JSON: {error}"))?;
        let entries = set.get("keys").and_then(Value::as_array);
        let entries = entries.ok_or("is no key set: it has no list `keys`")?;
        if entries.len() > KEYS_MAX {
            return Err(format!("has more than {KEYS_MAX} keys"));
        }
        let mut keys = Vec::new();
        for entry in entries {
            if PRIVATE_MEMBERS.iter().any(|member| entry.get(member).is_some()) {
                return Err(
                    "has a private or symmetric key, which must not be given away".to_owned()
                );
            }
            let Ok(jwk) = serde_json::from_value::<Jwk>(entry.clone()) else { continue };
            if let Some(key) = usable(&jwk) {
                keys.push((jwk.common.key_id, key));
            }
        }
        if keys.is_empty() {
            return Err(format!(
                "has no key for RS256 (of at least {RSA_BITS_MIN} bits), ES256 or EdDSA"
            ));
        }
        Ok(Self(keys))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of this id; without one, the only key of this algorithm.
    pub(super) fn find(&self, algorithm: Algorithm, key_id: Option<&str>) -> Option<&Key> {
        let mut fitting = self.0.iter().filter(|(id, key)| {
            key.algorithm == algorithm && (key_id.is_none() || id.as_deref() == key_id)
        });
        let found = fitting.next();
        found.filter(|_| fitting.next().is_none()).map(|(_, key)| key)
    }
}

fn usable(jwk: &Jwk) -> Option<Key> {
    if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
        return None;
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if modulus_bits(&rsa.n) >= RSA_BITS_MIN => {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|declared| declared != name) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(Key { algorithm, key })
}

/// Bits of a number in unpadded base64, rather too many than too few by less than eight.
fn modulus_bits(base64: &str) -> usize {
    base64.trim_end_matches('=').trim_start_matches('A').len() * 6
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ed25519(id: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "alg": "EdDSA", "use": "sig",
               "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn parse(keys: &Value) -> Result<PublicKeys, String> {
        PublicKeys::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn a_key_is_found_by_its_id_and_its_algorithm() {
        let keys = parse(&json!([ed25519("a"), ed25519("b")])).unwrap();
        assert!(keys.find(Algorithm::EdDSA, Some("a")).is_some());
        assert!(keys.find(Algorithm::EdDSA, Some("c")).is_none());
        // A key is not tried with another algorithm, and without an id there must be no doubt.
        assert!(keys.find(Algorithm::RS256, Some("a")).is_none());
        assert!(keys.find(Algorithm::EdDSA, None).is_none());
        let one = parse(&json!([ed25519("a")])).unwrap();
        assert!(one.find(Algorithm::EdDSA, None).is_some());
    }

    #[test]
    fn what_is_no_key_set_of_ours_is_refused() {
        let mut private = ed25519("a");
        private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        let small = json!({"kty": "RSA", "n": "u".repeat(171), "e": "AQAB"});
        let mut encryption = ed25519("a");
        encryption["use"] = json!("enc");
        let mut mismatched = ed25519("a");
        mismatched["alg"] = json!("RS256");
        let table = [
            (json!([]), "no key for"),
            (json!([private]), "private"),
            (json!([{"kty": "oct", "k": "c2VjcmV0"}]), "symmetric"),
            (json!([small]), "2048"),
            (json!([encryption]), "no key for"),
            (json!([mismatched]), "no key for"),
            (json!([{"kty": "new"}]), "no key for"),
            (json!(vec![ed25519("a"); KEYS_MAX + 1]), "more than"),
        ];
        for (keys, expected) in table {
            let error = parse(&keys).err().unwrap_or_default();
            assert!(error.contains(expected), "{keys}: {error}");
        }
        for text in ["", "[]", "{}", "{\"keys\": 1}", "{\"keys\":[}"] {
            assert!(PublicKeys::parse(text.as_bytes()).is_err(), "{text}");
        }
        // What is not understood does not stand in the way of what is.
        assert!(parse(&json!([{"kty": "new"}, 7, ed25519("a")])).is_ok());
    }
}
