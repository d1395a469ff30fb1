//! Page tokens: what the page ended with, so that the next goes on after it however the list has changed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gamemesh_domain::stats::{Name, Place, Reader, Score, Writer};
use gamemesh_domain::{Code, Error, Result};

fn invalid() -> Error {
    Error::new(Code::TokenInvalid, "the page token was not issued here")
        .with_field("pageToken", "accepts the token of an earlier page")
}

fn issue(out: &Writer) -> String {
    URL_SAFE_NO_PAD.encode(&out.0)
}

fn open(token: &str) -> Result<Vec<u8>> {
    if token.len() > 1_024 {
        return Err(invalid());
    }
    URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())
}

/// After a place of a board.
pub(super) fn after_place(place: &Place) -> String {
    let mut out = Writer::default();
    out.u64(place.score.numerator);
    out.u64(place.score.denominator);
    out.i64(place.reached_us);
    out.name(Some(&place.player));
    issue(&out)
}

pub(super) fn place(token: &str) -> Result<Place> {
    let bytes = open(token)?;
    let mut from = Reader(&bytes);
    let mut read = || {
        let score = Score { numerator: from.u64()?, denominator: from.u64()? };
        Ok::<_, gamemesh_domain::stats::Truncated>((score, from.i64()?, from.name()?))
    };
    match read() {
        Ok((score, reached_us, Some(player))) if score.denominator > 0 => {
            Ok(Place { score, reached_us, player })
        }
        _ => Err(invalid()),
    }
}

/// After a name, and so many of what belongs to it.
pub(super) fn after_name(name: &Name, count: usize) -> String {
    let mut out = Writer::default();
    out.name(Some(name));
    out.u64(count as u64);
    issue(&out)
}

pub(super) fn name(token: &str) -> Result<(Name, usize)> {
    let bytes = open(token)?;
    let mut from = Reader(&bytes);
    match (from.name(), from.u32()) {
        (Ok(Some(name)), Ok(count)) => Ok((name, count as usize)),
        _ => Err(invalid()),
    }
}
