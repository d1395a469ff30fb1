//! What must be done when the test process has ended, however it ends.

use std::process::{Child, Command, Stdio};

/// A shell that waits for the end of its input, which is the end of this value or of the process.
#[derive(Debug)]
pub struct Keeper {
    _shell: Child,
}

/// Runs a command when the answer is dropped or this process has ended.
pub fn keeper(command: &str) -> anyhow::Result<Keeper> {
    let shell = Command::new("setsid")
        .args(["sh", "-c", &format!("cat >/dev/null; {command}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Keeper { _shell: shell })
}
