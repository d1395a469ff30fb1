//! The path of a request, split where a template looks at it.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::{percent_decode, percent_decode_str};

use super::Variable;
use super::parse::percent_is_valid;

/// A path and where its segments lie. Only `/` as it stands separates them; `%2F` does not.
#[derive(Debug, Clone)]
pub(crate) struct Path<'a> {
    raw: &'a str,
    segments: Vec<Range<usize>>,
}

impl<'a> Path<'a> {
    /// `None` if the path does not begin with `/`.
    pub(crate) fn split(raw: &'a str) -> Option<Self> {
        let mut start = 1;
        let mut segments = Vec::with_capacity(8);
        for part in raw.strip_prefix('/')?.split('/') {
            segments.push(start..start + part.len());
            start += part.len() + 1;
        }
        Some(Self { raw, segments })
    }

    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    pub(crate) fn segment(&self, index: usize) -> &'a str {
        &self.raw[self.segments[index].clone()]
    }

    /// The segment as a literal is compared with it.
    pub(crate) fn decoded(&self, index: usize) -> Cow<'a, str> {
        let raw = self.segment(index);
        percent_decode_str(raw).decode_utf8().unwrap_or(Cow::Borrowed(raw))
    }

    /// The path without the `:verb` at its end, and the verb, if there is one.
    pub(crate) fn without_verb(&self) -> Option<(Self, &'a str)> {
        let last = self.segments.last()?;
        let text = &self.raw[last.clone()];
        let colon = text.rfind(':')?;
        let mut path = self.clone();
        if let Some(last) = path.segments.last_mut() {
            last.end = last.start + colon;
        }
        Some((path, &text[colon + 1..]))
    }

    /// What the path says for a variable. `None` if it is not percent-encoded UTF-8.
    pub(crate) fn variable(&self, variable: &Variable) -> Option<Cow<'a, str>> {
        let covered = &self.segments[variable.start.min(self.len())..];
        let covered = match variable.to_the_end {
            true => covered,
            false => covered.get(..variable.end - variable.start)?,
        };
        let (Some(first), Some(last)) = (covered.first(), covered.last()) else {
            return Some(Cow::Borrowed(""));
        };
        decode(&self.raw[first.start..last.end], variable.multi)
    }
}

fn decode(raw: &str, keep_slash: bool) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    if !percent_is_valid(raw) {
        return None;
    }
    if !keep_slash {
        return percent_decode_str(raw).decode_utf8().ok();
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escape = &rest[..rest.len().min(3)];
        if *byte != b'%' || escape.eq_ignore_ascii_case(b"%2f") {
            decoded.push(*byte);
            rest = after;
        } else {
            decoded.extend(percent_decode(escape));
            rest = &rest[3..];
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}
