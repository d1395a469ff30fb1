//! Proto3 JSON, both ways, without a value in between: JSON text becomes wire bytes and wire bytes
//! become JSON text in one pass over each.

mod calendar;
mod lexer;
mod mask;
mod number;
mod reader;
mod text;
mod writer;

pub(crate) use lexer::{Lexer, Next, SyntaxError};
pub(crate) use mask::described;
pub(crate) use reader::{Limits, read_field, read_message};
pub(crate) use text::{check_part, put_text, takes_text};
pub(crate) use writer::{write_any, write_field, write_message, write_string};

#[cfg(test)]
mod tests;
