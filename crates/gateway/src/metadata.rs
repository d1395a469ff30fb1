//! HTTP headers to gRPC metadata, and back.

use std::time::Duration;

use gamemesh_rpc::deadline;
use gamemesh_rpc::error::Error;
use http::{HeaderMap, HeaderName, StatusCode, header};

type Result<T> = std::result::Result<T, Error>;

/// A client can send any metadata under this prefix; other metadata comes back under it.
const PREFIX: &str = "grpc-metadata-";

/// Headers that go on under their own name, beside everything that begins with `x-` or `b3`.
const FORWARDED: [&str; 9] = [
    "authorization",
    "traceparent",
    "tracestate",
    "baggage",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "accept-language",
];

/// Metadata that comes back under its own name, beside everything that begins with `x-`.
const RETURNED: [&str; 8] = [
    "etag",
    "location",
    "cache-control",
    "last-modified",
    "retry-after",
    "vary",
    "www-authenticate",
    "content-language",
];

/// Metadata of the protocols themselves, which concerns no client.
const PROTOCOL: [&str; 10] = [
    "content-type",
    "content-length",
    "connection",
    "transfer-encoding",
    "trailer",
    "te",
    "date",
    "server",
    "accept-encoding",
    "content-encoding",
];

/// Headers between two neighbours on the way, and who is asked.
const HOP_BY_HOP: [&str; 7] = [
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "trailers",
    "upgrade",
];

/// What instances of this server say to each other.
const OURS: &str = "x-gamemesh-";

const RESERVED: &str = "the name is reserved: a header that matters is sent under its own name";

/// The service sets the HTTP status of a success with this metadata.
const HTTP_CODE: &str = "x-http-code";

/// The metadata of a request, and how long it may take if the client says so.
pub(crate) fn from_headers(headers: &HeaderMap) -> Result<(HeaderMap, Option<Duration>)> {
    let mut metadata = HeaderMap::with_capacity(headers.len() + 4);
    for (name, value) in headers {
        let name_text = name.as_str();
        if name_text.starts_with("x-")
            || name_text.starts_with("b3")
            || FORWARDED.contains(&name_text)
        {
            metadata.append(name, value.clone());
        } else if name_text == "user-agent" {
            metadata.append("x-user-agent", value.clone());
        } else if let Some(bare) = name_text.strip_prefix(PREFIX) {
            // Under another name these would pass whoever looks at headers on the way, such as a proxy
            // that checks tokens.
            let bare = HeaderName::from_bytes(bare.as_bytes()).ok();
            let bare = bare.filter(|bare| !reserved(bare.as_str()));
            let bare = bare.ok_or_else(|| Error::invalid(name_text, RESERVED))?;
            metadata.append(bare, value.clone());
        }
    }
    let timeout = timeout(headers)?;
    if let Some(timeout) = timeout {
        deadline::put(&mut metadata, timeout);
    }
    Ok((metadata, timeout))
}

/// What no client sends under another name.
fn reserved(name: &str) -> bool {
    name.starts_with("grpc-")
        || name.starts_with(OURS)
        || PROTOCOL.contains(&name)
        || HOP_BY_HOP.contains(&name)
        || FORWARDED.contains(&name)
}

/// Adds the metadata of an answer to its headers, without the status that a service may have set.
pub(crate) fn into_headers(metadata: &HeaderMap, headers: &mut HeaderMap) {
    for (name, value) in metadata {
        let text = name.as_str();
        if returned(text) {
            headers.append(name, value.clone());
        } else if !dropped(text)
            && let Ok(prefixed) = HeaderName::try_from(format!("{PREFIX}{text}"))
        {
            headers.append(prefixed, value.clone());
        }
    }
}

/// As [`into_headers`], of metadata that nobody else needs. Nearly always all of it comes back as it
/// is but for what is the protocol's own.
pub(crate) fn as_headers(mut metadata: HeaderMap) -> HeaderMap {
    if metadata.keys().any(|name| !returned(name.as_str()) && !dropped(name.as_str())) {
        let mut headers = HeaderMap::with_capacity(metadata.len());
        into_headers(&metadata, &mut headers);
        return headers;
    }
    let gone: Vec<HeaderName> =
        metadata.keys().filter(|name| dropped(name.as_str())).cloned().collect();
    for name in gone {
        metadata.remove(name);
    }
    metadata
}

/// Comes back under its own name.
fn returned(name: &str) -> bool {
    name != HTTP_CODE && (name.starts_with("x-") || RETURNED.contains(&name))
}

/// Concerns no client.
fn dropped(name: &str) -> bool {
    name == HTTP_CODE || name.starts_with("grpc-") || PROTOCOL.contains(&name)
}

/// The status that the service asks for with `x-http-code`: 2xx or 304.
pub(crate) fn http_code(metadata: &HeaderMap) -> Option<StatusCode> {
    let value = metadata.get(HTTP_CODE)?;
    let status = value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<u16>().ok())
        .and_then(|n| StatusCode::from_u16(n).ok());
    let status = status.filter(|s| s.is_success() || *s == StatusCode::NOT_MODIFIED);
    if status.is_none() {
        tracing::warn!(
            ?value,
            "a service set {HTTP_CODE} to something that is neither 2xx nor 304"
        );
    }
    status
}

/// `Grpc-Timeout` as gRPC has it (`500m`, `2S`), or `X-Request-Timeout` in seconds or with a unit
/// (`2`, `1.5s`, `500ms`).
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    if let Some(timeout) = deadline::timeout(headers, Duration::MAX)? {
        return Ok(Some(timeout));
    }
    if let Some(value) = headers.get("x-request-timeout") {
        let value = value.to_str().unwrap_or("");
        let what = "seconds up to 99999999, or a number with the unit ms or s";
        return parse_seconds(value)
            .map(Some)
            .ok_or_else(|| Error::invalid("X-Request-Timeout", what));
    }
    Ok(None)
}

fn parse_seconds(text: &str) -> Option<Duration> {
    const SECONDS_MAX: f64 = 99_999_999.0;
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let seconds = number.parse::<f64>().ok()? * scale;
    (seconds <= SECONDS_MAX).then(|| Duration::from_secs_f64(seconds))
}

/// The media type of a `Content-Type`, in lower case and without parameters, and its charset.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<(String, Option<String>)> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or("").to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or("").to_owned();
    let charset =
        parts.find_map(|p| p.strip_prefix("charset=")).map(|c| c.trim_matches('"').to_owned());
    Some((media, charset))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn timeouts_read_and_write() {
        let cases = [
            ("grpc-timeout", "5S", Some("5000000u")),
            ("grpc-timeout", "100m", Some("100000u")),
            ("grpc-timeout", "2H", Some("7200000m")),
            ("grpc-timeout", "123456789S", None),
            ("grpc-timeout", "S", None),
            ("grpc-timeout", "5x", None),
            ("grpc-timeout", "", None),
            ("x-request-timeout", "2", Some("2000000u")),
            ("x-request-timeout", "1.5s", Some("1500000u")),
            ("x-request-timeout", "250ms", Some("250000u")),
            ("x-request-timeout", "99999999", Some("99999999S")),
            ("x-request-timeout", "1e9", None),
            ("x-request-timeout", "-1", None),
        ];
        for (name, value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            match (from_headers(&headers), expected) {
                (Ok((metadata, Some(_))), Some(expected)) => {
                    assert_eq!(metadata["grpc-timeout"], expected, "{name}: {value}");
                }
                (Err(error), None) => assert!(error.message.to_lowercase().contains(name)),
                (result, _) => panic!("{name}: {value}: {result:?}"),
            }
        }
    }

    #[test]
    fn what_comes_back_is_the_same_for_owned_metadata() {
        let sets: [&[&'static str]; 4] = [
            &["content-type", "etag", "x-state-version", "x-http-code", "grpc-encoding"],
            &["content-type", "tenant", "etag", "grpc-status"],
            &["date"],
            &[],
        ];
        for names in sets {
            let mut metadata = HeaderMap::new();
            for name in names {
                metadata.append(*name, HeaderValue::from_static("1"));
                metadata.append(*name, HeaderValue::from_static("2"));
            }
            let mut expected = HeaderMap::new();
            into_headers(&metadata, &mut expected);
            assert_eq!(as_headers(metadata), expected, "{names:?}");
        }
    }

    #[test]
    fn metadata_of_the_protocol_cannot_be_set_by_a_client() {
        let one = |name: &'static str| {
            HeaderMap::from_iter([
                (HeaderName::from_static(name), HeaderValue::from_static("1")),
                (HeaderName::from_static("grpc-metadata-tenant"), HeaderValue::from_static("a")),
            ])
        };
        for name in ["grpc-metadata-grpc-status", "grpc-metadata-te", "grpc-metadata-content-type"]
        {
            assert!(from_headers(&one(name)).is_err(), "{name}");
        }
        let (metadata, _) = from_headers(&one("cookie")).expect("headers are valid");
        assert_eq!(metadata.len(), 1);
        assert_eq!(metadata["tenant"], "a");
    }
}
