//! What HTTP/1 asks of a request's `Host` and framing. Where two readers of one request may disagree about
//! whom it is for, or where it ends, it is refused (RFC 9112, 3.2 and 6.1).

use gamemesh_domain::Error;
use http::{HeaderMap, Request, Version, header};

/// What is wrong with a request.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Error> {
    match request.version() {
        Version::HTTP_09 | Version::HTTP_10 => host(request.headers(), false),
        Version::HTTP_11 => host(request.headers(), true),
        _ => return Ok(()),
    }?;
    transfer_encoding(request.headers())
}

fn host(headers: &HeaderMap, is_needed: bool) -> Result<(), Error> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let refuse = |what: &str| Err(Error::invalid("Host", what));
    match (hosts.next(), hosts.next()) {
        (None, _) if is_needed => refuse("is missing"),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => refuse("is given twice"),
        (Some(host), None) if is_authority(host.as_bytes()) => Ok(()),
        (Some(_), None) => refuse("is not a name or address, with a port or not"),
    }
}

/// `uri-host [ ":" port ]`.
fn is_authority(text: &[u8]) -> bool {
    let (host_is_good, rest) = match text.split_first() {
        Some((b'[', inner)) => {
            let Some(end) = inner.iter().position(|byte| *byte == b']') else { return false };
            let is_literal = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            (end > 0 && inner[..end].iter().all(is_literal), &inner[end + 1..])
        }
        _ => {
            let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
            (text[..end].iter().all(is_name_byte), &text[end..])
        }
    };
    let port_is_good = match rest.split_first() {
        None => true,
        Some((b':', port)) => {
            let port = std::str::from_utf8(port).unwrap_or("none");
            port.bytes().all(|byte| byte.is_ascii_digit())
                && (port.is_empty() || port.parse::<u16>().is_ok())
        }
        Some(_) => false,
    };
    host_is_good && port_is_good
}

fn is_name_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte)
}

/// The one coding that is understood, once.
fn transfer_encoding(headers: &HeaderMap) -> Result<(), Error> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Error::invalid("Transfer-Encoding", "is something else than one chunked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_a_port_or_none() {
        for good in ["", "a", "a.b-c_d", "127.0.0.1:80", "[::1]", "[::1]:8080", "a:", "a:65535"] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        let bad =
            ["a b", "u@a", "a/b", "a:x", "a:65536", "a:1:2", "[::1", "[]", "[x]", "[::1]8", "é"];
        for bad in bad {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
