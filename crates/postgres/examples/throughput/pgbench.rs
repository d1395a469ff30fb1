//! `pgbench` as the baseline of durable writes: each client commits one row of an event's size after
//! the other.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The table that `pgbench` writes: what a table of events has at least.
pub(crate) const TABLE: &str = "CREATE TABLE single (id bigserial PRIMARY KEY, stream bigint NOT NULL, \
     time_us bigint NOT NULL, kind text NOT NULL, data bytea NOT NULL, meta bytea NOT NULL)";

/// Streams that the rows are said to be of.
const STREAMS: u32 = 10_000;

/// `pgbench` with its script, on a database that has [`TABLE`].
#[derive(Debug)]
pub(crate) struct SingleRows {
    url: String,
    script: PathBuf,
}

impl SingleRows {
    /// Writes the script to `folder`. Each row has so many bytes of data and of metadata.
    pub(crate) fn new(url: &str, folder: &Path, data: usize, meta: usize) -> io::Result<Self> {
        let hex = |bytes: usize| "ab".repeat(bytes);
        let script = folder.join(format!("single-rows-{}.sql", std::process::id()));
        let text = format!(
            "\\set stream random(1, {STREAMS})\nINSERT INTO single (stream, time_us, kind, data, meta) \
             VALUES (:stream, 1, 'state.operated', '\\x{}', '\\x{}');\n",
            hex(data),
            hex(meta)
        );
        std::fs::write(&script, text)?;
        Ok(Self { url: url.to_owned(), script })
    }

    /// Commits a second. `duration` is rounded up to whole seconds.
    pub(crate) fn run(&self, clients: u32, duration: Duration) -> io::Result<f64> {
        let seconds = duration.as_secs_f64().ceil().to_string();
        let output = Command::new("pgbench")
            .args(["-n", "-M", "prepared", "-j", "2", "-c", &clients.to_string()])
            .args(["-T", &seconds, "-f"])
            .arg(&self.script)
            .arg(&self.url)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rate| rate.split_whitespace().next()?.parse().ok());
        rate.ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("pgbench gave no figure: {errors}"))
        })
    }
}

impl Drop for SingleRows {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.script);
    }
}
