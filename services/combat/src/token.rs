//! Resume and page tokens of combat.
//!
//! A token is `format, kind, expiry, names` and the first 16 bytes of a keyed BLAKE3 hash of these, in
//! URL-safe base64. All instances of a store derive the same key, so that a token works on any of them
//! and after a restart. A resume token is a secret of its player: whoever has it is taken for him.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::Incarnation;

use crate::ids::{PlayerId, SessionId};

/// Size of a token's text.
const TOKEN_BYTES_MAX: usize = 1_024;

const FORMAT: u8 = 2;
const MAC_BYTES: usize = 16;
const HEAD_BYTES: usize = 2 + 8;

/// Resume and page tokens are good for so long.
const LIFETIME_US: i64 = 24 * 3_600 * 1_000_000;

/// What a token is for; one kind is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Seat = 1,
    Spectator = 2,
    Page = 3,
}

/// Whom a resume token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    Player(PlayerId),
    Spectator,
}

/// What a resume token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resumed {
    pub(crate) holder: Holder,
    /// Of the owner of the session who gave the token away: what events the connection was told is known
    /// by it.
    pub(crate) epoch: u64,
}

/// Signs and checks the tokens of one store.
#[derive(Clone)]
pub(crate) struct Tokens {
    key: [u8; 32],
}

impl Tokens {
    /// The secret is what the operator gave, or the store's own: its identity alone, which every event
    /// carries to the bus, would let anybody make tokens.
    pub(crate) fn new(secret: &[u8], store: Incarnation) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("gamemesh combat tokens, format 1");
        hasher.update(&store.0).update(secret);
        Self { key: *hasher.finalize().as_bytes() }
    }

    /// Lets its holder go on in a session as who he was, with what an owner of this epoch told him.
    pub(crate) fn resume(
        &self,
        session: &SessionId,
        holder: &Holder,
        epoch: u64,
        now_us: i64,
    ) -> String {
        let epoch = epoch.to_string();
        match holder {
            Holder::Player(player) => {
                self.issue(Kind::Seat, &[session.as_str(), &epoch, player.as_str()], now_us)
            }
            Holder::Spectator => self.issue(Kind::Spectator, &[session.as_str(), &epoch], now_us),
        }
    }

    /// Whom a resume token of this session stands for, and since when.
    pub(crate) fn resumed(&self, session: &SessionId, token: &str, now_us: i64) -> Result<Resumed> {
        const FIELD: &str = "hello.resumeToken";
        let (kind, names) = self.check(FIELD, token, now_us)?;
        let mut names = names.split('\0');
        if names.next() != Some(session.as_str()) {
            let what = "the token belongs to another session";
            return Err(Error::new(Code::TokenMismatch, what).with_field(FIELD, what));
        }
        let epoch = names.next().and_then(|epoch| epoch.parse().ok());
        let epoch = epoch.ok_or_else(|| invalid(FIELD))?;
        let holder = match (kind, names.next()) {
            (kind, Some(player)) if kind == Kind::Seat as u8 => {
                Holder::Player(PlayerId::parse(FIELD, player)?)
            }
            (kind, None) if kind == Kind::Spectator as u8 => Holder::Spectator,
            _ => return Err(invalid(FIELD)),
        };
        Ok(Resumed { holder, epoch })
    }

    /// The page of a list with these filters that begins after a row.
    pub(crate) fn page(&self, filters: &str, after: &str, now_us: i64) -> String {
        self.issue(Kind::Page, &[&digest(filters), after], now_us)
    }

    /// After which row a page begins.
    pub(crate) fn page_after(&self, filters: &str, token: &str, now_us: i64) -> Result<String> {
        const FIELD: &str = "pageToken";
        let (kind, names) = self.check(FIELD, token, now_us)?;
        let (of, after) = names.split_once('\0').ok_or_else(|| invalid(FIELD))?;
        if kind != Kind::Page as u8 {
            return Err(invalid(FIELD));
        }
        if of != digest(filters) {
            let what = "the token belongs to a request with other filters";
            return Err(Error::new(Code::TokenMismatch, what).with_field(FIELD, what));
        }
        Ok(after.to_owned())
    }

    fn issue(&self, kind: Kind, names: &[&str], now_us: i64) -> String {
        let mut bytes = vec![FORMAT, kind as u8];
        bytes.extend(now_us.saturating_add(LIFETIME_US).to_be_bytes());
        bytes.extend(names.join("\0").as_bytes());
        let mac = blake3::keyed_hash(&self.key, &bytes);
        bytes.extend(&mac.as_bytes()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn check(&self, field: &str, token: &str, now_us: i64) -> Result<(u8, String)> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid(field));
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid(field))?;
        let end = bytes.len().checked_sub(MAC_BYTES).filter(|end| *end >= HEAD_BYTES);
        let (signed, mac) = bytes.split_at(end.ok_or_else(|| invalid(field))?);
        // blake3::Hash compares in constant time, and only as a whole.
        let mut expected = *blake3::keyed_hash(&self.key, signed).as_bytes();
        expected[MAC_BYTES..].fill(0);
        let mut given = [0; 32];
        given[..MAC_BYTES].copy_from_slice(mac);
        if blake3::Hash::from_bytes(expected) != blake3::Hash::from_bytes(given)
            || signed[0] != FORMAT
        {
            return Err(invalid(field));
        }
        let expiry = signed[2..HEAD_BYTES].try_into().map_err(|_| invalid(field))?;
        if i64::from_be_bytes(expiry) < now_us {
            let what = "the token is too old; start again without it";
            return Err(Error::new(Code::TokenExpired, what).with_field(field, what));
        }
        let names = std::str::from_utf8(&signed[HEAD_BYTES..]).map_err(|_| invalid(field))?;
        Ok((signed[1], names.to_owned()))
    }
}

fn digest(filters: &str) -> String {
    blake3::hash(filters.as_bytes()).to_hex()[..16].to_owned()
}

fn invalid(field: &str) -> Error {
    let what = "accepts a token of an earlier answer, unaltered";
    Error::new(Code::TokenInvalid, format!("{field}: {what}")).with_field(field, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(b"secret", Incarnation([7; 16]))
    }

    fn session(id: &str) -> SessionId {
        SessionId::parse("sessionId", id).unwrap()
    }

    #[test]
    fn a_resume_token_is_good_for_its_holder_session_and_time() {
        let (tokens, here) = (tokens(), session("here"));
        let ada = Holder::Player(PlayerId::parse("p", "Ada").unwrap());
        for holder in [&ada, &Holder::Spectator] {
            let token = tokens.resume(&here, holder, 3, 5);
            let resumed = tokens.resumed(&here, &token, 6).unwrap();
            assert_eq!((&resumed.holder, resumed.epoch), (holder, 3));
            let elsewhere = tokens.resumed(&session("there"), &token, 6).unwrap_err();
            assert_eq!(elsewhere.code, Code::TokenMismatch);
            let late = tokens.resumed(&here, &token, 6 + LIFETIME_US).unwrap_err();
            assert_eq!(late.code, Code::TokenExpired);
            let other = Tokens::new(b"other", Incarnation([7; 16]));
            assert_eq!(other.resumed(&here, &token, 6).unwrap_err().code, Code::TokenInvalid);
        }
    }

    #[test]
    fn an_altered_token_is_refused() {
        let (tokens, here) = (tokens(), session("here"));
        let token = tokens.resume(&here, &Holder::Spectator, 3, 5);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let altered = URL_SAFE_NO_PAD.encode(altered);
            assert!(tokens.resumed(&here, &altered, 6).is_err(), "byte {at}");
        }
        for nonsense in ["", "x", "%%%", &"A".repeat(2_000)] {
            assert!(tokens.resumed(&here, nonsense, 6).is_err());
        }
    }

    proptest::proptest! {
        /// Whatever is not the token itself is refused: made up, or changed in several places.
        #[test]
        fn nothing_but_the_token_is_taken(
            made_up in ".{0,80}",
            changes in proptest::collection::vec((0_usize..200, proptest::prelude::any::<u8>()), 1..5),
            cut in 0_usize..200,
        ) {
            let (tokens, here) = (tokens(), session("here"));
            let ada = Holder::Player(PlayerId::parse("p", "Ada").unwrap());
            let token = tokens.resume(&here, &ada, 3, 5);
            proptest::prop_assert!(tokens.resumed(&here, &made_up, 6).is_err());
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            for (at, byte) in changes {
                let length = bytes.len();
                bytes[at % length] = byte;
            }
            bytes.truncate(bytes.len().max(1) - cut % 2);
            let changed = URL_SAFE_NO_PAD.encode(bytes);
            proptest::prop_assert!(changed == token || tokens.resumed(&here, &changed, 6).is_err());
        }
    }

    #[test]
    fn a_page_belongs_to_its_filters() {
        let tokens = tokens();
        let token = tokens.page("status=active", "12/abc", 5);
        assert_eq!(tokens.page_after("status=active", &token, 6).unwrap(), "12/abc");
        assert!(tokens.page_after("status=ended", &token, 6).is_err());
        assert!(tokens.resumed(&session("here"), &token, 6).is_err());
    }
}
