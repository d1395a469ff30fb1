//! `gamemesh stats ingest`.

use std::path::PathBuf;

use clap::Args;
use gamemesh_client::{StatsClient, stats_v1 as v1};
use serde_json::json;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::failed;
use crate::exit::{Exit, Outcome, Problem};
use crate::output::Output;
use crate::progress;

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Lines of one call.
const BATCH_LINES: usize = 500;

/// Bytes of one call.
const BATCH_BYTES: usize = 1 << 20;

/// How often a call is made again that had no answer, or that was turned away.
const TRIES_MAX: u32 = 10;

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// NDJSON, one event a line; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of the producer, whose sequence the lines of all files are: what is durable is passed over.
    /// Without it every line is sent, and what was sent before counts once by its event_id
    #[arg(long, default_value = "", hide_default_value = true)]
    producer: String,
    /// Epoch of the producer: raise it when the lines are others than before
    #[arg(long, default_value_t = 0)]
    epoch: u32,
}

#[derive(Default)]
struct Sent {
    tally: v1::EventTally,
    passed_over: u64,
    unreadable: u64,
}

pub(crate) async fn run(client: &StatsClient, args: IngestArgs, out: Output) -> Outcome {
    let mut pump = Pump::new(client, &args, out).await?;
    let total = sizes(&args.files).await;
    let bar = progress::bar(out, total, "bytes");
    for file in &args.files {
        let mut reader = open(file).await?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut limited = (&mut reader).take(LINE_BYTES_MAX as u64 + 1);
            let read = limited.read_until(b'\n', &mut line).await?;
            if read == 0 {
                break;
            }
            if read > LINE_BYTES_MAX {
                return Err(Problem::usage(format!(
                    "a line is longer than {LINE_BYTES_MAX} bytes"
                )));
            }
            bar.inc(read as u64);
            if !line.iter().all(u8::is_ascii_whitespace) {
                pump.line(&line).await?;
            }
        }
    }
    pump.send().await?;
    bar.finish_and_clear();
    let Sent { tally, passed_over, unreadable } = pump.sent;
    let refused = tally.refused + unreadable;
    let summary = json!({
        "counted": tally.counted, "late": tally.late, "duplicates": tally.duplicates,
        "conflicts": tally.conflicts, "refused": refused, "shed": tally.shed, "passedOver": passed_over,
    });
    out.answer(&summary, || {
        format!(
            "{} counted, {} counted before, {} passed over, {} in conflict, {refused} refused",
            tally.counted, tally.duplicates, passed_over, tally.conflicts
        )
    })?;
    Ok(if refused + tally.conflicts == 0 { Exit::Done } else { Exit::Refused })
}

async fn sizes(files: &[PathBuf]) -> Option<u64> {
    let mut total = 0;
    for file in files {
        total += tokio::fs::metadata(file).await.ok()?.len();
    }
    Some(total)
}

async fn open(file: &PathBuf) -> Outcome<Box<dyn AsyncBufRead + Unpin + Send>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(tokio::io::stdin())));
    }
    let wrong = |error| Problem::usage(format!("{}: {error}", file.display()));
    Ok(Box::new(BufReader::new(tokio::fs::File::open(file).await.map_err(wrong)?)))
}

struct Pump<'a> {
    client: &'a StatsClient,
    producer: &'a str,
    epoch: u32,
    out: Output,
    /// Lines up to here are durable.
    durable: u64,
    lines: u64,
    /// The line before the first that waits.
    before: u64,
    waiting: Vec<v1::MatchEvent>,
    bytes: usize,
    sent: Sent,
}

impl<'a> Pump<'a> {
    async fn new(client: &'a StatsClient, args: &'a IngestArgs, out: Output) -> Outcome<Self> {
        let mut durable = 0;
        if !args.producer.is_empty() {
            let request = v1::GetResumePointRequest { producer_id: args.producer.clone() };
            let answer =
                client.calls().get_resume_point(request).await.map_err(failed)?.into_inner();
            if answer.epoch > args.epoch {
                return Err(Problem::usage(format!(
                    "the producer is at epoch {} already",
                    answer.epoch
                ))
                .hint("give it with --epoch, or a higher one for other lines"));
            }
            if answer.epoch == args.epoch {
                durable = answer.durable_sequence;
            }
        }
        Ok(Self {
            client,
            producer: &args.producer,
            epoch: args.epoch,
            out,
            durable,
            lines: 0,
            before: 0,
            waiting: Vec::new(),
            bytes: 0,
            sent: Sent::default(),
        })
    }

    async fn line(&mut self, line: &[u8]) -> Outcome<()> {
        self.lines += 1;
        if self.lines <= self.durable {
            self.sent.passed_over += 1;
            return Ok(());
        }
        if self.waiting.is_empty() {
            self.before = self.lines - 1;
        }
        let event = std::str::from_utf8(line)
            .map_err(|error| Problem::usage(error.to_string()))
            .and_then(|text| crate::json::read("gamemesh.stats.v1.MatchEvent", text));
        match event {
            Ok(event) => self.waiting.push(event),
            Err(problem) => {
                self.sent.unreadable += 1;
                self.tell(self.lines, "", &problem.message)?;
                if self.producer.is_empty() {
                    return Ok(());
                }
                // Its place is taken all the same, by something that the server refuses.
                self.waiting.push(v1::MatchEvent::default());
                self.sent.unreadable -= 1;
            }
        }
        self.bytes += line.len();
        if self.waiting.len() >= BATCH_LINES || self.bytes >= BATCH_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Outcome<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let has_places = !self.producer.is_empty();
        let request = v1::IngestBatchRequest {
            events: std::mem::take(&mut self.waiting),
            producer_id: self.producer.to_owned(),
            epoch: self.epoch,
            first_sequence: if has_places { self.before + 1 } else { 0 },
            every_result: false,
        };
        self.bytes = 0;
        let answer = self.call(request).await?;
        for result in &answer.results {
            if !matches!(result.status(), v1::EventStatus::Late | v1::EventStatus::Duplicate) {
                let status = result.status().as_str_name().trim_start_matches("EVENT_STATUS_");
                let what = format!("{status} {}", result.message);
                self.tell(self.before + 1 + result.index, &result.event_id, &what)?;
            }
        }
        let more = answer.tally.unwrap_or_default();
        let tally = &mut self.sent.tally;
        tally.counted += more.counted;
        tally.late += more.late;
        tally.duplicates += more.duplicates;
        tally.conflicts += more.conflicts;
        tally.refused += more.refused;
        tally.shed += more.shed;
        Ok(())
    }

    /// What had no answer, or was turned away, is sent again: it counts once.
    async fn call(&self, request: v1::IngestBatchRequest) -> Outcome<v1::IngestBatchResponse> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.client.calls().ingest_batch(request.clone()).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => {
                    let error = gamemesh_client::Error::from(status);
                    if !error.is_transient() || tries == TRIES_MAX {
                        let problem = Problem::from(error);
                        return Err(problem.hint("run it again: what was counted counts once"));
                    }
                    let pause = error.retry_after.unwrap_or_default();
                    let backoff = std::time::Duration::from_millis(100) * tries;
                    tokio::time::sleep(pause.max(backoff)).await;
                }
            }
        }
    }

    fn tell(&self, line: u64, event_id: &str, what: &str) -> Outcome<()> {
        if self.out.is_json() {
            let told = json!({ "line": line, "eventId": event_id, "problem": what });
            return self.out.text(&told.to_string());
        }
        self.out.note(&format!("line {line}: {event_id} {what}"));
        Ok(())
    }
}
