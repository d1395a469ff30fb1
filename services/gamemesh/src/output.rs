//! Everything that commands print: tables and text for people, JSON for scripts.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::{Outcome, Problem};

/// Where a command's answers go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether somebody watches, so that a progress bar makes sense.
    pub(crate) fn is_watched(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// The answer: a JSON document for scripts, `text` for people.
    pub(crate) fn answer(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Outcome<()> {
        if self.json { self.document(value) } else { self.text(&text()) }
    }

    /// A JSON document, indented when a person reads it.
    pub(crate) fn document(self, value: &impl Serialize) -> Outcome<()> {
        let text = if io::stdout().is_terminal() {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        self.text(&text.map_err(Problem::failed)?)
    }

    /// One line of text.
    pub(crate) fn text(self, text: &str) -> Outcome<()> {
        let mut out = io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            // `gamemesh state watch | head` has what it wanted.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
            result => Ok(result?),
        }
    }

    /// A remark beside the answer; scripts do not get it.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// A problem goes to standard error, so that the answer's reader never takes it for one.
    pub(crate) fn problem(self, problem: &Problem) {
        let text = if self.json {
            json!({ "error": problem, "exitCode": problem.exit as u8 }).to_string()
        } else {
            explain(problem)
        };
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// A table without lines, as wide as the terminal allows.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A value within a line: short, without quotes around plain text.
pub(crate) fn short(value: &Value) -> String {
    const CHARS_MAX: usize = 100;
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn explain(problem: &Problem) -> String {
    let mut lines = vec![if problem.reason.is_empty() {
        format!("error: {}", problem.message)
    } else {
        format!("error: {}: {}", problem.reason, problem.message)
    }];
    lines.extend(problem.fields.iter().map(|(path, what)| format!("  {path}: {what}")));
    lines.extend(problem.facts.iter().map(|(key, value)| format!("  {key} = {value}")));
    lines.extend(problem.hint.iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::{Exit, Explained};

    #[test]
    fn a_problem_is_told_with_reason_fields_and_hint() {
        let problem = Problem::from(Explained {
            exit: Exit::Refused,
            reason: "SCHEMA_VIOLATION".into(),
            message: "level: at most 1000".into(),
            fields: [("level".into(), "at most 1000".into())].into(),
            facts: [("bound".into(), "1000".into())].into(),
            hint: Some("lower it".into()),
        });
        assert_eq!(
            explain(&problem),
            "error: SCHEMA_VIOLATION: level: at most 1000\n  level: at most 1000\n  bound = 1000\nhint: lower it"
        );
    }

    #[test]
    fn tables_align_their_columns() {
        let text =
            table(["id", "version"], [["a".into(), "1".into()], ["long".into(), "22".into()]]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, ["id    version", "a     1", "long  22"]);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(short(&Value::String("é".repeat(200))).chars().count(), 101);
        assert_eq!(short(&serde_json::json!({"a": 1})), "{\"a\":1}");
    }
}
