//! The lines of an import.

use std::path::Path;

use prost_types::value::Kind;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::exit::{Outcome, Problem};
use crate::json;

/// Longest line: the largest state, and room for its JSON form.
const LINE_BYTES_MAX: usize = 8 << 20;

/// NDJSON, read line by line.
pub(super) struct Lines {
    reader: Box<dyn AsyncBufRead + Unpin + Send>,
    bytes_total: Option<u64>,
    bytes_read: u64,
    number: i64,
    buffer: Vec<u8>,
}

/// One line.
pub(super) struct Line {
    /// From 1.
    pub(super) number: i64,
    pub(super) content: Outcome<Content>,
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) state: prost_types::Struct,
}

impl Lines {
    pub(super) async fn open(path: &Path) -> Outcome<Self> {
        let (reader, bytes_total): (Box<dyn AsyncBufRead + Unpin + Send>, _) =
            if path == Path::new("-") {
                (Box::new(BufReader::new(tokio::io::stdin())), None)
            } else {
                let wrong = |error| Problem::usage(format!("{}: {error}", path.display()));
                let file = tokio::fs::File::open(path).await.map_err(wrong)?;
                let size = file.metadata().await.map_err(wrong)?.len();
                (Box::new(BufReader::new(file)), Some(size))
            };
        Ok(Self { reader, bytes_total, bytes_read: 0, number: 0, buffer: Vec::new() })
    }

    pub(super) fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next line that is not blank; `None` at the end.
    pub(super) async fn next(&mut self) -> Outcome<Option<Line>> {
        loop {
            self.buffer.clear();
            let mut limited = (&mut self.reader).take(LINE_BYTES_MAX as u64 + 1);
            let read = limited.read_until(b'\n', &mut self.buffer).await?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.bytes_read += read as u64;
            if read > LINE_BYTES_MAX {
                return Err(Problem::usage(format!(
                    "line {} is longer than {LINE_BYTES_MAX} bytes",
                    self.number
                )));
            }
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                let content = parse(&self.buffer);
                return Ok(Some(Line { number: self.number, content }));
            }
        }
    }
}

fn parse(line: &[u8]) -> Outcome<Content> {
    let expected =
        |what: &str| Problem::usage(format!("not {{\"type\", \"id\", \"state\"}}: {what}"));
    let text = std::str::from_utf8(line).map_err(|error| expected(&error.to_string()))?;
    let mut fields = json::read_struct(text).map_err(|problem| expected(&problem.message))?.fields;
    let mut take = |name: &str| fields.remove(name).and_then(|value| value.kind);
    match (take("type"), take("id"), take("state")) {
        (
            Some(Kind::StringValue(kind)),
            Some(Kind::StringValue(id)),
            Some(Kind::StructValue(state)),
        ) => Ok(Content { kind, id, state }),
        _ => Err(expected("type and id are text, state is an object")),
    }
}
