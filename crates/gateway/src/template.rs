//! Path templates of `google.api.http`, and the paths that are matched against them.
//!
//! ```text
//! Template = "/" Segments [ Verb ] ;
//! Segments = Segment { "/" Segment } ;
//! Segment  = "*" | "**" | LITERAL | Variable ;
//! Variable = "{" FieldPath [ "=" Segments ] "}" ;
//! FieldPath = IDENT { "." IDENT } ;
//! Verb     = ":" LITERAL ;
//! ```

mod parse;
mod path;

pub use parse::TemplateError;
pub(crate) use path::Path;

pub(crate) use parse::percent_is_valid;

/// A parsed template. Variables are taken out of the segments, so that two templates which match the
/// same paths have the same segments and verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
    pub(crate) verb: Option<String>,
    pub(crate) variables: Vec<Variable>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    /// Text that the path must have here, percent-decoded.
    Literal(String),
    /// One segment that is not empty.
    Any,
    /// The rest of the path: no segment, one, or many.
    Rest,
}

/// A part of the path that a field of the request holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The names of the fields from the request message inwards.
    pub(crate) field_path: Vec<String>,
    /// The segments that it covers.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// A variable of several segments keeps its `/`, and so `%2F` is left as it is in it.
    pub(crate) multi: bool,
    /// It ends in `**`.
    pub(crate) to_the_end: bool,
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(text)
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, segment) in self.segments.iter().enumerate() {
            let slash = |f: &mut std::fmt::Formatter<'_>| f.write_str("/");
            match self.variables.iter().find(|v| (v.start..v.end).contains(&i)) {
                None => {
                    slash(f)?;
                    segment.fmt(f)?;
                }
                Some(v) => {
                    slash(f)?;
                    let whole = v.end - v.start == 1 && *segment == Segment::Any;
                    if i == v.start {
                        write!(f, "{{{}", v.field_path.join("."))?;
                        f.write_str(if whole { "" } else { "=" })?;
                    }
                    if !whole {
                        segment.fmt(f)?;
                    }
                    if i + 1 == v.end {
                        f.write_str("}")?;
                    }
                }
            }
        }
        match &self.verb {
            Some(verb) => write!(f, ":{verb}"),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Literal(text) => parse::encode_literal(text).fmt(f),
            Self::Any => f.write_str("*"),
            Self::Rest => f.write_str("**"),
        }
    }
}

#[cfg(test)]
mod tests;
