//! The trace that a call belongs to: W3C `traceparent`, and B3 as Istio's proxies write it.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const B3: HeaderName = HeaderName::from_static("b3");
const B3_TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const B3_SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const B3_SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const B3_FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// A position in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: u128,
    pub span_id: u64,
    pub sampled: bool,
}

impl TraceContext {
    /// The context of a request. W3C wins over B3, and a header that is malformed counts as
    /// absent: a broken tracer must not break the call.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(context) = text(&TRACEPARENT).and_then(Self::from_traceparent) {
            return Some(context);
        }
        if let Some(context) = text(&B3).and_then(Self::from_b3) {
            return Some(context);
        }
        let debug = text(&B3_FLAGS) == Some("1");
        Self::checked(
            hex_trace_id(text(&B3_TRACE_ID)?)?,
            hex_u64(text(&B3_SPAN_ID)?)?,
            // No decision leaves it to us, and we keep what we are asked about.
            debug || text(&B3_SAMPLED).is_none_or(|sampled| matches!(sampled, "1" | "true" | "d")),
        )
    }

    /// Whether the caller says, without naming a trace, that there is none to be kept.
    pub(super) fn is_denied(headers: &HeaderMap) -> bool {
        let is = |name, value| headers.get(name).is_some_and(|found| found == value);
        is(B3, "0") || is(B3_SAMPLED, "0")
    }

    /// `00-{trace}-{span}-{flags}`. A later version may append fields, so only the first four
    /// are read; version `ff` is forbidden.
    pub fn from_traceparent(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = parts.next().filter(|v| v.len() == 2 && lower_hex(v) && *v != "ff")?;
        let trace_id = parts.next().filter(|id| id.len() == 32 && lower_hex(id))?;
        let span_id = parts.next().filter(|id| id.len() == 16 && lower_hex(id))?;
        let flags = parts.next().filter(|flags| flags.len() == 2 && lower_hex(flags))?;
        if version == "00" && parts.next().is_some() {
            return None;
        }
        Self::checked(
            u128::from_str_radix(trace_id, 16).ok()?,
            hex_u64(span_id)?,
            u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        )
    }

    /// `{trace}-{span}`, with `-{sampled}` and `-{parent}` behind it or not.
    fn from_b3(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let trace_id = hex_trace_id(parts.next()?)?;
        let span_id = hex_u64(parts.next()?)?;
        let sampled = parts.next().is_none_or(|sampled| matches!(sampled, "1" | "d"));
        Self::checked(trace_id, span_id, sampled)
    }

    /// Zero ids are invalid in both formats.
    fn checked(trace_id: u128, span_id: u64, sampled: bool) -> Option<Self> {
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, sampled })
    }

    /// The W3C form.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }

    pub(super) fn inject(&self, headers: &mut HeaderMap) {
        let value = |text: String| HeaderValue::from_str(&text).expect("digits are visible");
        headers.insert(TRACEPARENT, value(self.traceparent()));
        let b3 = format!("{:032x}-{:016x}-{}", self.trace_id, self.span_id, u8::from(self.sampled));
        headers.insert(B3, value(b3));
    }
}

fn lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex_u64(text: &str) -> Option<u64> {
    (text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| u64::from_str_radix(text, 16).ok())?
}

/// B3 allows trace ids of 64 bits.
fn hex_trace_id(text: &str) -> Option<u128> {
    (matches!(text.len(), 16 | 32) && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    const SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    #[test]
    fn reads_every_form() {
        let found = |sampled| Some(TraceContext { trace_id: TRACE, span_id: SPAN, sampled });
        let w3c = |tail: &str| format!("00-{TRACE:032x}-{SPAN:016x}-{tail}");
        let b3 = |tail: &str| format!("{TRACE:032x}-{SPAN:016x}{tail}");
        let (trace, span) = (format!("{TRACE:032x}"), format!("{SPAN:016x}"));
        let table: Vec<(HeaderMap, Option<TraceContext>)> = vec![
            (headers(&[]), None),
            (headers(&[("traceparent", &w3c("01"))]), found(true)),
            (headers(&[("traceparent", &w3c("00"))]), found(false)),
            (headers(&[("traceparent", &w3c("01-extra"))]), None),
            (headers(&[("traceparent", &w3c("01").replacen("00", "cc", 1))]), found(true)),
            (headers(&[("traceparent", &w3c("01").replacen("00", "ff", 1))]), None),
            (headers(&[("traceparent", &w3c("01").to_uppercase())]), None),
            (headers(&[("traceparent", &w3c("01").replace(&trace, &"0".repeat(32)))]), None),
            (headers(&[("b3", &b3(""))]), found(true)),
            (headers(&[("b3", &b3("-0"))]), found(false)),
            (headers(&[("b3", &b3("-1-00f067aa0ba902b8"))]), found(true)),
            (headers(&[("b3", "0")]), None),
            (headers(&[("x-b3-traceid", &trace), ("x-b3-spanid", &span)]), found(true)),
            (
                headers(&[("x-b3-traceid", &trace), ("x-b3-spanid", &span), ("x-b3-sampled", "0")]),
                found(false),
            ),
            (headers(&[("x-b3-traceid", &trace)]), None),
            (headers(&[("traceparent", "garbage"), ("b3", &b3("-1"))]), found(true)),
        ];
        for (headers, expected) in table {
            assert_eq!(TraceContext::from_headers(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn short_b3_ids_are_padded() {
        let headers =
            headers(&[("x-b3-traceid", "a3ce929d0e0e4736"), ("x-b3-spanid", "00f067aa0ba902b7")]);
        let context = TraceContext::from_headers(&headers).unwrap();
        assert_eq!(context.trace_id, 0xa3ce_929d_0e0e_4736);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let context = TraceContext { trace_id: TRACE, span_id: SPAN, sampled: true };
        let mut headers = HeaderMap::new();
        context.inject(&mut headers);
        assert_eq!(TraceContext::from_headers(&headers), Some(context));
        headers.remove(TRACEPARENT);
        assert_eq!(TraceContext::from_headers(&headers), Some(context));
    }
}
