//! Figures on standard output, remarks on standard error.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::exit::{Outcome, Problem};

/// Where the figures go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// The figures: a JSON document for scripts, `text` for people.
    pub(crate) fn answer(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Outcome {
        let text =
            if self.json { serde_json::to_string(value).map_err(Problem::failed)? } else { text() };
        Ok(writeln!(io::stdout(), "{text}")?)
    }

    /// A remark beside the figures; scripts do not get it.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}
