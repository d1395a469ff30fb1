//! The command line, run as a person would.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

use crate::World;
use crate::process::binary;
use crate::world::clean;

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The answer of a command that was run with `--json`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON document: {error}\n{self:?}"))
    }

    /// The answer as one document a line.
    pub fn json_lines(&self) -> Vec<Value> {
        let line = |line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}\n{line}"))
        };
        self.stdout.lines().map(line).collect()
    }

    /// The problem that a command told with `--json`.
    pub fn problem(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stderr)
            .unwrap_or_else(|error| panic!("no JSON problem: {error}\n{self:?}"));
        value["error"].clone()
    }
}

/// Runs the binary with these arguments and nothing on standard input.
pub fn run(arguments: &[&str]) -> anyhow::Result<Ran> {
    run_with(arguments, &[], b"")
}

/// Runs the binary with an environment and an input.
pub fn run_with(
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &[u8],
) -> anyhow::Result<Ran> {
    let mut child = clean(&mut Command::new(binary()))
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    // A command that needs no input may have ended already.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output()?;
    Ok(Ran {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

impl World {
    /// Runs a command against this world's server and store.
    pub fn cli(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.cli_with_input(arguments, b"")
    }

    /// The same with an input.
    pub fn cli_with_input(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Ran> {
        let (url, database) = (self.url(), self.database_url());
        let environment = [("GAMEMESH_URL", url.as_str()), ("DATABASE_URL", database.as_str())];
        run_with(arguments, &environment, input)
    }
}
