//! What an operator chooses, and the address of a store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gamemesh_repository::LogName;
use percent_encoding::percent_decode_str;

use crate::OpenError;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Which log: it decides the file beside the one that the address names, and the tables in it.
    pub log: LogName,
    /// Writes that may wait for the writer; the next one is refused at once.
    pub queue_max: usize,
    /// Connections for reading.
    pub readers: u32,
    /// Callers that may wait for a reading connection; the next one is refused at once.
    pub waiters_max: u32,
    /// How long one of them waits.
    pub wait_max: Duration,
    /// Size of the database file, rounded up to pages; unlimited if absent. A write that would go
    /// beyond it answers that the storage is full.
    pub file_bytes_max: Option<u64>,
    /// Only read: no lock is taken and every write is refused. Works while another process owns the
    /// store.
    pub read_only: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            log: LogName::State,
            queue_max: 16_384,
            readers: 4,
            waiters_max: 100,
            wait_max: Duration::from_secs(5),
            file_bytes_max: None,
            read_only: false,
        }
    }
}

/// The file of a log at `sqlite:///absolute/path`, `sqlite://relative/path` or `sqlite:path`. The
/// address names the file of the state; the other logs lie beside it, `g-combat.db` beside `g.db`.
pub fn path_of(url: &str, log: LogName) -> Result<PathBuf, OpenError> {
    let path = named_by(url)?;
    Ok(match log {
        LogName::State => path,
        LogName::Combat | LogName::Stats | LogName::Memory => sibling(&path, log),
    })
}

fn sibling(path: &Path, log: LogName) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-");
    name.push(log.as_str());
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn named_by(url: &str) -> Result<PathBuf, OpenError> {
    let refuse = |why: &str| Err(OpenError::Url { url: url.to_owned(), why: why.to_owned() });
    let Some(rest) = url.strip_prefix("sqlite:") else {
        return refuse("it does not begin with sqlite:");
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.contains(['?', '#']) {
        return refuse("parameters are not read; write ? as %3F and # as %23 in a file name");
    }
    if path.is_empty() || path.ends_with('/') {
        return refuse("it names no file");
    }
    if path.starts_with(':') {
        return refuse("a store in memory is memory:");
    }
    match percent_decode_str(path).decode_utf8() {
        Ok(path) => Ok(PathBuf::from(path.into_owned())),
        Err(_) => refuse("the file name is not UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let cases = [
            ("sqlite:///var/lib/g.db", Some("/var/lib/g.db")),
            ("sqlite://data/g.db", Some("data/g.db")),
            ("sqlite:g.db", Some("g.db")),
            ("sqlite:a%20b%3F.db", Some("a b?.db")),
            ("sqlite:g.db?mode=ro", None),
            ("sqlite::memory:", None),
            ("sqlite://", None),
            ("sqlite:dir/", None),
            ("sqlite:%FF.db", None),
            ("postgres://localhost/g", None),
        ];
        for (url, path) in cases {
            assert_eq!(path_of(url, LogName::State).ok(), path.map(PathBuf::from), "{url}");
        }
    }

    #[test]
    fn the_other_logs_lie_beside_the_state() {
        let cases = [
            ("sqlite:///var/lib/g.db", LogName::Combat, "/var/lib/g-combat.db"),
            ("sqlite:g", LogName::Stats, "g-stats"),
            ("sqlite://data/a.b.db", LogName::Memory, "data/a.b-memory.db"),
        ];
        for (url, log, path) in cases {
            assert_eq!(path_of(url, log).unwrap(), PathBuf::from(path), "{url}");
        }
    }
}
