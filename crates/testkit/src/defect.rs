//! Tests that are tried on a defect: one that would not find it proves nothing.

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Runs a test of the calling binary with a defect seeded in it and in the servers that it starts;
/// an error unless the test fails and says one of these things. `defect` is a name that
/// `gamemesh_repository::seeded_defect` is asked for, `test` the whole name of the test.
pub fn is_found(
    defect: &str,
    test: &str,
    environment: &[(&str, &str)],
    sayings: &[&str],
) -> anyhow::Result<()> {
    let output = Command::new(std::env::current_exe()?)
        .args([test, "--exact", "--nocapture"])
        .env("GAMEMESH_DEFECT", defect)
        .env_remove("GAMEMESH_FAULT_ROUNDS")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .context("this binary cannot be run again")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("running 1 test"), "there is no test {test}:\n{said}");
    ensure!(!output.status.success(), "{test} does not find {defect}:\n{said}");
    let found = sayings.iter().any(|saying| said.contains(saying));
    ensure!(found, "with {defect}, {test} fails without any of {sayings:?}:\n{said}");
    Ok(())
}
