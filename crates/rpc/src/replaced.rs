//! Whether a file was replaced.

use std::path::Path;
use std::time::SystemTime;

/// What differs once a file was replaced, also through a symbolic link as in a mounted Secret; `None`
/// while it cannot be looked at.
#[must_use]
pub fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}
