//! W3C's `tracestate`: what the tracing systems on the way say to each other beside the trace.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What is longer than the specification asks to pass on is dropped as a whole.
const BYTES_MAX: usize = 512;

/// Kept as it came, and shared: a correlation is cloned with every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceState(Arc<str>);

impl TraceState {
    /// Several headers are one list. Without `traceparent` it means nothing.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        headers.get(TRACEPARENT)?;
        let parts: Option<Vec<&str>> =
            headers.get_all(TRACESTATE).iter().map(|value| value.to_str().ok()).collect();
        let text = parts?.join(",");
        (!text.trim().is_empty() && text.len() <= BYTES_MAX).then(|| Self(text.into()))
    }

    pub(super) fn inject(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(TRACESTATE, value);
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Correlation;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn passed_on(pairs: &[(&'static str, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let mut next = HeaderMap::new();
        Correlation::from_headers(&headers).inject(&mut next);
        next.get(TRACESTATE).map(|value| value.to_str().unwrap().to_owned())
    }

    type Headers<'a> = &'a [(&'static str, &'a str)];

    #[test]
    fn it_goes_on_as_it_came() {
        let parent = ("traceparent", PARENT);
        let long = format!("a={}", "x".repeat(511));
        let table: [(Headers<'_>, Option<&str>); 6] = [
            (&[parent, ("tracestate", "a=1,b@c=2")], Some("a=1,b@c=2")),
            (&[parent, ("tracestate", "a=1"), ("tracestate", "b=2")], Some("a=1,b=2")),
            (&[parent], None),
            (&[parent, ("tracestate", "")], None),
            (&[("tracestate", "a=1")], None),
            (&[parent, ("tracestate", &long)], None),
        ];
        for (pairs, expected) in table {
            assert_eq!(passed_on(pairs).as_deref(), expected, "{pairs:?}");
        }
    }
}
