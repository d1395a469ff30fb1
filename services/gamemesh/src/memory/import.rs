//! `gamemesh memory import`.

use std::path::{Path, PathBuf};

use clap::Args;
use gamemesh_contracts::memory::v1 as pb;
use pb::store_result::Result as Stored;
use serde_json::json;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::{Services, refused};
use crate::exit::{Exit, Outcome, Problem};
use crate::output::Output;
use crate::progress;

/// Memories of one call.
const BATCH: usize = 200;

/// Longest line: the largest memory with its vector.
const LINE_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    collection: String,
    /// NDJSON, one {"npcId", "content", "idempotencyKey"} a line, as export writes it; - for standard input
    file: PathBuf,
}

#[derive(Default)]
struct Tally {
    stored: u64,
    repeated: u64,
    refused: u64,
}

pub(super) async fn run(services: Services, args: ImportArgs, out: Output) -> Outcome {
    let (mut reader, total) = open(&args.file).await?;
    let bar = progress::bar(out, total, "bytes");
    let mut tally = Tally::default();
    let mut batch: Vec<(u64, pb::StoreMemoryRequest)> = Vec::new();
    let (mut number, mut done, mut buffer) = (0_u64, 0_u64, Vec::new());
    let mut memories = services.memories;
    loop {
        buffer.clear();
        let mut limited = (&mut reader).take(LINE_BYTES_MAX as u64 + 1);
        let length = limited.read_until(b'\n', &mut buffer).await?;
        number += 1;
        done += length as u64;
        if length > LINE_BYTES_MAX {
            return Err(Problem::usage(format!(
                "line {number} is longer than {LINE_BYTES_MAX} bytes"
            )));
        }
        if length > 0 && !buffer.iter().all(u8::is_ascii_whitespace) {
            match parse(&args.collection, &buffer) {
                Ok(request) => batch.push((number, request)),
                Err(problem) => {
                    tally.refused += 1;
                    bar.suspend(|| report(number, &problem.message, out))?;
                }
            }
        }
        if batch.len() >= BATCH || (length == 0 && !batch.is_empty()) {
            let (numbers, requests): (Vec<u64>, Vec<_>) = batch.drain(..).unzip();
            let request =
                pb::BatchStoreMemoriesRequest { collection_id: args.collection.clone(), requests };
            let answer = memories.batch_store_memories(request).await.map_err(refused)?;
            for (number, result) in numbers.into_iter().zip(answer.into_inner().results) {
                match result.result {
                    Some(Stored::Stored(stored)) if stored.repeated_write => tally.repeated += 1,
                    Some(Stored::Stored(_)) => tally.stored += 1,
                    Some(Stored::Refusal(refusal)) => {
                        tally.refused += 1;
                        bar.suspend(|| report(number, &refusal.message, out))?;
                    }
                    None => tally.refused += 1,
                }
            }
            bar.set_position(done);
        }
        if length == 0 {
            break;
        }
    }
    bar.finish_and_clear();
    let Tally { stored, repeated, refused } = tally;
    let summary = json!({ "stored": stored, "repeated": repeated, "refused": refused });
    out.answer(&summary, || {
        format!("{stored} stored, {repeated} stored before, {refused} refused")
    })?;
    Ok(if refused == 0 { Exit::Done } else { Exit::Refused })
}

async fn open(path: &Path) -> Outcome<(Box<dyn AsyncBufRead + Unpin + Send>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(tokio::io::stdin())), None));
    }
    let wrong = |error| Problem::usage(format!("{}: {error}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(wrong)?;
    let size = file.metadata().await.map_err(wrong)?.len();
    Ok((Box::new(BufReader::new(file)), Some(size)))
}

fn parse(collection: &str, line: &[u8]) -> Outcome<pb::StoreMemoryRequest> {
    let expected = |what: &str| Problem::usage(format!("not {{\"npcId\", \"content\"}}: {what}"));
    let text = std::str::from_utf8(line).map_err(|error| expected(&error.to_string()))?;
    let read = crate::json::read("gamemesh.memory.v1.StoreMemoryRequest", text);
    let line: pb::StoreMemoryRequest = read.map_err(|problem| expected(&problem.message))?;
    if line.npc_id.is_empty() || line.content.is_none() {
        return Err(expected("both are required"));
    }
    Ok(pb::StoreMemoryRequest { collection_id: collection.to_owned(), ..line })
}

/// A broken line is told by its number, and the rest goes on.
fn report(number: u64, message: &str, out: Output) -> Outcome<()> {
    if out.is_json() {
        return out.text(&json!({ "line": number, "error": message }).to_string());
    }
    out.note(&format!("line {number}: {message}"));
    Ok(())
}
