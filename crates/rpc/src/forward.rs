//! The mark of a call that one instance passes on to another, and who called there.
//!
//! Whoever receives a marked call works on it himself, wherever it belongs: no call is passed on
//! twice. The mark is also a proof, made of the secret of the store that the instances share, that the
//! caller's allowance was asked for where he called: it is not spent a second time. A mark that proves
//! nothing does no harm, since it asks for nothing but to be worked on here.
//!
//! A caller with a token is shown by the token, which goes along. One who was known by his certificate has
//! no way to show it here: the instance that he called vouches for him, for a minute, with a signature
//! that only instances of the store can make. So does an instance that calls of its own accord.

use std::fmt;
use std::sync::Arc;

use gamemesh_repository::StoreSecret;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::auth::{Permit, Principal, Role};
use crate::clock::Clock;

pub const FORWARDED_HEADER: HeaderName = HeaderName::from_static("x-gamemesh-forwarded");

/// Who called the instance that passes a call on, in its words.
pub const VOUCHED_HEADER: HeaderName = HeaderName::from_static("x-gamemesh-forwarded-caller");

const MARK_CONTEXT: &str = "gamemesh 2026-12 call forwarded between instances";
const VOUCH_CONTEXT: &str = "gamemesh 2026-12 caller of a call forwarded between instances";

/// How long the word of another instance counts, the difference of clocks included.
const VOUCHED_SECONDS: i64 = 60;

/// What marks the calls that an instance passes on to others of its store.
#[derive(Clone)]
pub struct Mark {
    proof: blake3::Hash,
    key: [u8; 32],
    clock: Clock,
}

/// The stores whose other instances this process believes.
#[derive(Debug, Clone, Default)]
pub struct Instances(Arc<[Mark]>);

/// Another instance of a store of this process has made this call. A handler finds it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromInstance(());

/// A caller as he goes over the wire. The order of the fields is part of what is signed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vouched {
    until_seconds: i64,
    subject: String,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    player_id: Option<String>,
}

impl Mark {
    /// The mark of all instances of the store with this secret.
    pub fn new(secret: &StoreSecret, clock: Clock) -> Self {
        let hash =
            |context| blake3::Hasher::new_derive_key(context).update(secret.expose()).finalize();
        Self { proof: hash(MARK_CONTEXT), key: *hash(VOUCH_CONTEXT).as_bytes(), clock }
    }

    /// Marks a call.
    pub fn put(&self, headers: &mut HeaderMap) {
        let mut value = HeaderValue::from_str(self.proof.to_hex().as_str())
            .expect("hexadecimal digits are visible");
        value.set_sensitive(true);
        headers.insert(FORWARDED_HEADER, value);
    }

    /// Says who called, where no token does.
    pub fn vouch(&self, headers: &mut HeaderMap, caller: &Principal) {
        let vouched = Vouched {
            until_seconds: self.clock.now_seconds().saturating_add(VOUCHED_SECONDS),
            subject: caller.subject.to_string(),
            role: caller.role.as_str().to_owned(),
            player_id: caller.player_id.as_ref().map(ToString::to_string),
        };
        let json = serde_json::to_vec(&vouched).unwrap_or_default();
        let mut text = self.signature(&json).to_hex().to_string().into_bytes();
        text.extend(json);
        if let Ok(mut value) = HeaderValue::from_bytes(&text) {
            value.set_sensitive(true);
            headers.insert(VOUCHED_HEADER, value);
        }
    }

    /// Whether another instance has marked this call.
    pub fn proves(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(FORWARDED_HEADER).and_then(|value| value.to_str().ok());
        // The comparison takes the same time wherever they differ.
        given.and_then(|text| blake3::Hash::from_hex(text).ok()) == Some(self.proof)
    }

    /// The caller for whom another instance vouches.
    fn vouched(&self, headers: &HeaderMap) -> Option<Principal> {
        let text = headers.get(VOUCHED_HEADER)?.as_bytes();
        let (signature, json) = text.split_at_checked(2 * blake3::OUT_LEN)?;
        if blake3::Hash::from_hex(signature).ok()? != self.signature(json) {
            return None;
        }
        let Vouched { until_seconds, subject, role, player_id } =
            serde_json::from_slice(json).ok()?;
        let left = until_seconds.saturating_sub(self.clock.now_seconds());
        if !(0..=2 * VOUCHED_SECONDS).contains(&left) {
            return None;
        }
        let player_id = player_id.map(Arc::from);
        Some(Principal { subject: subject.into(), role: Role::parse(&role)?, player_id })
    }

    fn signature(&self, json: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.key, json)
    }
}

impl Instances {
    pub fn new(marks: impl IntoIterator<Item = Mark>) -> Self {
        Self(marks.into_iter().collect())
    }

    /// Whether an instance of one of the stores makes this call, and who called it, if it vouches for him.
    pub(crate) fn recognise(&self, headers: &HeaderMap) -> Option<(FromInstance, Option<Permit>)> {
        let mark = self.0.iter().find(|mark| mark.proves(headers))?;
        let caller = mark.vouched(headers).map(Permit::for_principal);
        Some((FromInstance(()), caller))
    }
}

impl FromInstance {
    /// Whether another instance has made the call with these extensions.
    pub fn is_in(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some()
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn mark(byte: u8, clock: &Clock) -> Mark {
        Mark::new(&StoreSecret::new([byte; 32]), clock.clone())
    }

    fn caller() -> Principal {
        Principal { subject: "spiffe://a/\u{e4}".into(), role: Role::Analyst, player_id: None }
    }

    #[test]
    fn only_who_knows_the_secret_proves_anything() {
        let clock = Clock::manual(0);
        let (ours, others) = (mark(1, &clock), mark(2, &clock));
        let instances = Instances::new([mark(3, &clock), mark(1, &clock)]);
        let mut headers = HeaderMap::new();
        assert!(!ours.proves(&headers));
        for (mark, proves) in [(&ours, true), (&others, false)] {
            mark.put(&mut headers);
            assert!(headers.contains_key(FORWARDED_HEADER));
            assert_eq!(ours.proves(&headers), proves);
            assert_eq!(instances.recognise(&headers).is_some(), proves);
        }
        for text in ["1", "not hexadecimal"] {
            headers.insert(FORWARDED_HEADER, HeaderValue::from_static(text));
            assert!(instances.recognise(&headers).is_none());
        }
    }

    #[test]
    fn an_instance_vouches_for_a_caller_for_a_while() {
        let clock = Clock::manual(1_000_000_000_000_000);
        let (ours, others) = (mark(1, &clock), mark(2, &clock));
        let instances = Instances::new([ours.clone()]);
        let vouched = |headers: &HeaderMap| {
            let (_, caller) = instances.recognise(headers)?;
            caller.map(|permit| permit.principal().clone())
        };
        let mut headers = HeaderMap::new();
        ours.vouch(&mut headers, &caller());
        assert_eq!(vouched(&headers), None, "nobody has marked the call");
        ours.put(&mut headers);
        assert_eq!(vouched(&headers), Some(caller()));

        // Changed, signed by others, and too old.
        let given = headers[VOUCHED_HEADER].as_bytes().to_vec();
        for at in 0..given.len() {
            let mut changed = given.clone();
            changed[at] ^= 1;
            let Ok(changed) = HeaderValue::from_bytes(&changed) else { continue };
            headers.insert(VOUCHED_HEADER, changed);
            assert_eq!(vouched(&headers), None, "byte {at}");
        }
        others.vouch(&mut headers, &caller());
        assert_eq!(vouched(&headers), None);
        ours.vouch(&mut headers, &caller());
        clock.advance(Duration::from_secs(61));
        assert_eq!(vouched(&headers), None);
        clock.set_micros(0);
        assert_eq!(vouched(&headers), None, "from the future");
    }
}
