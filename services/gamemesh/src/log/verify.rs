//! `gamemesh log verify`: the findings of each log, and all of them together.

use gamemesh_backends::Backends;
use gamemesh_repository::{LogName, VerifyReport, Violation};
use serde_json::{Value, json};

use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

type Report = (LogName, VerifyReport);

pub(super) async fn run(opened: &[(LogName, Backends)], out: Output) -> Outcome {
    let mut reports: Vec<Report> = Vec::new();
    for (log, store) in opened {
        reports.push((*log, store.log.verify().await?));
    }
    out.answer(&together(&reports), || {
        let each: Vec<String> = reports.iter().map(describe).collect();
        each.join("\n")
    })?;
    let clean = reports.iter().all(|(_, report)| report.is_clean());
    Ok(if clean { Exit::Done } else { Exit::Damaged })
}

/// The sums over all logs, and each log by itself.
fn together(reports: &[Report]) -> Value {
    let sum = |of: fn(&VerifyReport) -> u64| -> u64 { reports.iter().map(|(_, r)| of(r)).sum() };
    let violations = |(log, report): &Report| -> Vec<Value> {
        report.violations.iter().map(|found| violation(*log, found)).collect()
    };
    let each = reports.iter().map(|(log, report)| {
        json!({
            "log": log.as_str(),
            "clean": report.is_clean(),
            "events": report.events,
            "streams": report.streams,
            "batches": report.batches,
            "violationsTotal": report.violations_total,
        })
    });
    json!({
        "clean": reports.iter().all(|(_, report)| report.is_clean()),
        "events": sum(|report| report.events),
        "streams": sum(|report| report.streams),
        "batches": sum(|report| report.batches),
        "violationsTotal": sum(|report| report.violations_total),
        "violations": reports.iter().flat_map(violations).collect::<Vec<_>>(),
        "logs": each.collect::<Vec<_>>(),
    })
}

fn violation(log: LogName, found: &Violation) -> Value {
    json!({
        "log": log.as_str(),
        "lane": found.lane.0,
        "position": found.position,
        "stream": found.stream.as_ref().map(ToString::to_string),
        "what": found.what,
    })
}

fn describe((log, report): &Report) -> String {
    let counted = format!(
        "{} events in {} streams and {} batches",
        report.events, report.streams, report.batches
    );
    if report.is_clean() {
        return format!("{log} is clean: {counted}");
    }
    let rows = report.violations.iter().map(|violation| {
        [
            violation.lane.0.to_string(),
            violation.position.to_string(),
            violation.stream.as_ref().map(ToString::to_string).unwrap_or_default(),
            violation.what.clone(),
        ]
    });
    let shown = table(["lane", "position", "stream", "what"], rows);
    format!("{log} is damaged: {} violations in {counted}\n{shown}", report.violations_total)
}
