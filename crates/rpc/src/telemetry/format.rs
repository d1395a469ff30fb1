//! One log line.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::trace::Correlation;

pub(super) struct Line {
    pub(super) json: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // The fields of enclosing spans belong to the line as much as its own.
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let Some(text) = extensions.get::<FormattedFields<N>>() else { continue };
            if let Ok(Value::Object(object)) = serde_json::from_str(&text.fields) {
                fields.of_spans.extend(object);
            }
        }
        let now = humantime::format_rfc3339_millis(SystemTime::now());
        let (level, target) = (event.metadata().level(), event.metadata().target());
        if self.json {
            let line = fields.to_json(&now.to_string(), *level, target).map_err(|_| fmt::Error)?;
            writeln!(writer, "{line}")
        } else {
            fields.write_pretty(&mut writer, &now.to_string(), *level, target)
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    own: Vec<(&'static str, Value)>,
    of_spans: Vec<(String, Value)>,
}

impl Fields {
    fn to_json(&self, now: &str, level: Level, target: &str) -> serde_json::Result<String> {
        let mut line = Vec::with_capacity(256);
        let mut serializer = serde_json::Serializer::new(&mut line);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", now)?;
        map.serialize_entry("level", level.as_str())?;
        map.serialize_entry("target", target)?;
        map.serialize_entry("message", &self.message)?;
        if let Some((id, trace)) = correlation() {
            map.serialize_entry("correlation_id", &id)?;
            if let Some((trace_id, span_id)) = trace {
                map.serialize_entry("trace_id", &trace_id)?;
                map.serialize_entry("span_id", &span_id)?;
            }
        }
        for (name, value) in &self.own {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in &self.of_spans {
            // A key twice would make the line ambiguous; the line's own field is the nearer one.
            if !self.own.iter().any(|(own, _)| own == name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn write_pretty(
        &self,
        writer: &mut Writer<'_>,
        now: &str,
        level: Level,
        target: &str,
    ) -> fmt::Result {
        // Of the date, a person at a terminal needs the time.
        let time = now.get(11..23).unwrap_or(now);
        let (colour, dim, plain) = match (writer.has_ansi_escapes(), level) {
            (false, _) => ("", "", ""),
            (true, Level::ERROR) => ("\x1b[31m", "\x1b[2m", "\x1b[0m"),
            (true, Level::WARN) => ("\x1b[33m", "\x1b[2m", "\x1b[0m"),
            (true, Level::INFO) => ("\x1b[32m", "\x1b[2m", "\x1b[0m"),
            (true, _) => ("\x1b[34m", "\x1b[2m", "\x1b[0m"),
        };
        write!(writer, "{dim}{time}{plain} {colour}{level:>5}{plain} {}", self.message)?;
        for (name, value) in &self.own {
            write!(writer, " {dim}{name}={plain}{}", shown(value))?;
        }
        for (name, value) in &self.of_spans {
            write!(writer, " {dim}{name}={plain}{}", shown(value))?;
        }
        if let Some((id, _)) = correlation() {
            write!(writer, " {dim}correlation_id={id}{plain}")?;
        }
        writeln!(writer, " {dim}{target}{plain}")
    }
}

/// Control characters in a caller's text must not reach a terminal.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.contains(|c: char| c.is_control() || c == ' ') => text.clone(),
        other => other.to_string(),
    }
}

type TraceIds = (String, String);

fn correlation() -> Option<(String, Option<TraceIds>)> {
    Correlation::with_current(|correlation| {
        let trace = correlation
            .trace()
            .map(|t| (format!("{:032x}", t.trace_id), format!("{:016x}", t.span_id)));
        (correlation.id(), trace)
    })
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            (name, value) => self.own.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        self.add(field, text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }
}
