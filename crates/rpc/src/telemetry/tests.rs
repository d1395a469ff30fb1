use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::config::ClientTlsFiles;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, level: &str, log: impl FnOnce()) -> String {
    let config = TelemetryConfig {
        log_level: level.to_owned(),
        log_format: format,
        otlp_endpoint: None,
        otlp_tls: ClientTlsFiles::default(),
        otlp_sample_ratio: 1.0,
    };
    let captured = Captured::default();
    let writer = captured.clone();
    let (dispatch, telemetry) = build(&config, move || writer.clone()).unwrap();
    assert!(!telemetry.tracing().exporting);
    tracing::dispatcher::with_default(&dispatch, log);
    let bytes = captured.0.lock().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_line_of_a_call_carries_its_correlation() {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-request-id", http::HeaderValue::from_static("order-66"));
    headers.insert(
        "traceparent",
        http::HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    );
    let text = logged(LogFormat::Json, "info", || {
        Correlation::from_headers(&headers).enter_sync(|| {
            let span = tracing::info_span!("load", player = "ann", count = 1);
            let _entered = span.enter();
            tracing::info!(count = 2, ratio = 0.5, ok = true, "loaded \"it\"\n");
        });
        tracing::debug!("too fine");
        tracing::warn!("outside");
    });
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let line = &lines[0];
    assert_eq!(line["message"], "loaded \"it\"\n");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["correlation_id"], "order-66");
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((&line["count"], &line["player"]), (&2.into(), &"ann".into()));
    assert_eq!((&line["ratio"], &line["ok"]), (&0.5.into(), &true.into()));
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(lines[1]["correlation_id"], serde_json::Value::Null);
}

#[test]
fn a_pretty_line_has_no_control_characters_of_the_caller() {
    let text = logged(LogFormat::Pretty, "debug", || {
        tracing::info!(id = "\x1b[2Jgone", "read");
    });
    assert!(text.contains("INFO read id=\"\\u001b[2Jgone\""), "{text:?}");
    assert_eq!(text.lines().count(), 1);
}
