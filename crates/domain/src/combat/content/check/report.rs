//! Problems, gathered so that an author sees them together.

use super::limits::{NAME_BYTES_MAX, PROBLEMS_MAX};
use crate::{Code, Error, Result};

#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<(String, String)>,
    more: usize,
}

impl Report {
    pub(super) fn problem(&mut self, field: impl Into<String>, what: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push((field.into(), what.into()));
        } else {
            self.more += 1;
        }
    }

    pub(super) fn within<T>(&mut self, field: impl Into<String>, value: T, min: T, max: T)
    where
        T: PartialOrd + std::fmt::Display + Copy,
    {
        if value < min || value > max {
            self.problem(field, format!("accepts {min} to {max}, found {value}"));
        }
    }

    pub(super) fn count(&mut self, field: &str, count: usize, min: usize, max: usize) {
        if count < min || count > max {
            self.problem(field, format!("accepts {min} to {max} entries, found {count}"));
        }
    }

    pub(super) fn text(&mut self, field: &str, text: &str, min: usize) {
        if !(min..=NAME_BYTES_MAX).contains(&text.len()) || text.chars().any(char::is_control) {
            let what =
                format!("accepts {min} to {NAME_BYTES_MAX} bytes without control characters");
            self.problem(field, what);
        }
    }

    /// An index into a list of the content.
    pub(super) fn reference(
        &mut self,
        field: impl Into<String>,
        list: &str,
        index: u16,
        count: usize,
    ) {
        if usize::from(index) >= count {
            self.problem(field, format!("accepts one of the {count} {list}, found number {index}"));
        }
    }

    /// One error with every problem.
    pub(super) fn finish(self) -> Result<()> {
        let Some((field, what)) = self.problems.first() else { return Ok(()) };
        let others = self.problems.len() - 1 + self.more;
        let message = match others {
            0 => format!("{field}: {what}"),
            1 => format!("{field}: {what}; and one more problem"),
            _ => format!("{field}: {what}; and {others} more problems"),
        };
        let error = Error::new(Code::InvalidArgument, message);
        Err(self
            .problems
            .into_iter()
            .fold(error, |error, (field, what)| error.with_field(field, what)))
    }
}
