//! What every suite does around its measures.

use std::path::Path;

use clap::ValueEnum;
use tempfile::TempDir;

use crate::disk;
use crate::exit::{Outcome, Problem};
use crate::output::Output;

/// A folder for databases: below `dir`, so that the disk that is meant is measured, or a temporary one. Says
/// so if the figures of this build mean nothing.
pub(crate) fn begin(dir: Option<&Path>, out: &Output) -> Outcome<TempDir> {
    if cfg!(debug_assertions) {
        out.note("this is a debug build: its figures say nothing; use a release build");
    }
    let base = dir.map_or_else(std::env::temp_dir, Path::to_owned);
    tempfile::Builder::new()
        .prefix("gamemesh-bench-")
        .tempdir_in(&base)
        .map_err(|error| Problem::failed(format!("{}: {error}", base.display())))
}

/// The measures that are asked for: all of them, where none is named.
pub(crate) fn chosen<M: ValueEnum + PartialEq + 'static>(
    only: &[M],
) -> impl Iterator<Item = &'static M> {
    M::value_variants().iter().filter(|measure| only.is_empty() || only.contains(measure))
}

/// A measure as it is named on the command line.
pub(crate) fn name(measure: &impl ValueEnum) -> String {
    measure.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// What durable means on the embedded store in this folder.
pub(crate) fn embedded_durability(dir: &Path) -> Outcome<String> {
    let sync = disk::sync_time(dir)?.as_secs_f64() * 1e3;
    Ok(format!("SQLite, WAL, synchronous=FULL, on a disk that syncs a page in {sync:.2} ms"))
}
