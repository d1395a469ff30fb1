//! The disk under a measurement: a ratio of durable writes means little without its sync.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::exit::Outcome;

const SYNCS: u64 = 101;
const PAGE: [u8; 4_096] = [0x5a; 4_096];

/// How long it takes to write a page and sync it: the median of some. The file is as long as it will
/// get before it begins, as a write-ahead log is that is written over.
pub(crate) fn sync_time(dir: &Path) -> Outcome<Duration> {
    let path = dir.join("sync.bin");
    let file = File::create(&path)?;
    for n in 0..SYNCS {
        file.write_all_at(&PAGE, n * PAGE.len() as u64)?;
    }
    file.sync_all()?;
    let mut took = Vec::new();
    for n in 0..SYNCS {
        let began = Instant::now();
        file.write_all_at(&PAGE, n * PAGE.len() as u64)?;
        file.sync_data()?;
        took.push(began.elapsed());
    }
    std::fs::remove_file(path)?;
    took.sort_unstable();
    Ok(took[took.len() / 2])
}
