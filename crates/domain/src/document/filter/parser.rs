//! From text to a filter, by recursive descent.

use super::lexer::{Fault, Lexer, Token};
use super::{Comparison, Literal, Node, Subject};
use super::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX};
use crate::document::{FieldPath, Number, parse_timestamp};

pub(super) fn parse(text: &str) -> Result<Option<Node>, Fault> {
    if text.len() > FILTER_BYTES_MAX {
        let what = format!("a filter has at most {FILTER_BYTES_MAX} bytes, found {}", text.len());
        return Err(Fault { column: 1, what });
    }
    let mut parser = Parser { lexer: Lexer::new(text), at: 0, token: Token::End, terms: 0 };
    parser.advance()?;
    if parser.token == Token::End {
        return Ok(None);
    }
    let node = parser.conjunction(0)?;
    match parser.token {
        Token::End => Ok(Some(node)),
        _ => Err(parser.fault("expected AND, OR or the end")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token ahead, and where it begins.
    token: Token<'a>,
    at: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn advance(&mut self) -> Result<Token<'a>, Fault> {
        let (at, token) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        self.lexer.fault(self.at, what)
    }

    fn is(&self, word: &str) -> bool {
        self.token == Token::Word(word)
    }

    fn conjunction(&mut self, depth: usize) -> Result<Node, Fault> {
        let mut nodes = Vec::new();
        loop {
            let node = self.disjunction(depth)?;
            match node {
                Node::And(inner) => nodes.extend(inner),
                node => nodes.push(node),
            }
            if self.is("AND") {
                self.advance()?;
            } else if matches!(self.token, Token::End | Token::Close) {
                return Ok(joined(nodes, Node::And));
            }
        }
    }

    fn disjunction(&mut self, depth: usize) -> Result<Node, Fault> {
        let mut nodes = Vec::new();
        loop {
            match self.term(depth)? {
                Node::Or(inner) => nodes.extend(inner),
                node => nodes.push(node),
            }
            if !self.is("OR") {
                return Ok(joined(nodes, Node::Or));
            }
            self.advance()?;
        }
    }

    fn term(&mut self, depth: usize) -> Result<Node, Fault> {
        if depth >= FILTER_DEPTH_MAX {
            return Err(self.fault(format!("a filter nests at most {FILTER_DEPTH_MAX} deep")));
        }
        if self.is("NOT") || self.lexer.split_minus(self.at) {
            self.advance()?;
            return Ok(Node::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.token != Token::Open {
            return self.comparison();
        }
        self.advance()?;
        let node = self.conjunction(depth + 1)?;
        if self.token != Token::Close {
            return Err(self.fault("expected AND, OR or `)`"));
        }
        self.advance()?;
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, Fault> {
        self.terms += 1;
        if self.terms > FILTER_TERMS_MAX {
            return Err(self.fault(format!("a filter has at most {FILTER_TERMS_MAX} comparisons")));
        }
        if self.is("changed") {
            return self.changed();
        }
        let subject = self.subject()?;
        let comparison = match self.token {
            Token::Has => None,
            Token::Sign(comparison) => Some(comparison),
            _ => return Err(self.fault("expected one of = != < <= > >= : after the field")),
        };
        self.advance()?;
        let Some(comparison) = comparison else {
            if self.token == Token::Star {
                self.advance()?;
                return Ok(Node::Present(subject));
            }
            let literal = self.literal(&subject, None)?;
            return Ok(Node::Has(subject, literal));
        };
        let literal = self.literal(&subject, Some(comparison))?;
        Ok(Node::Compare(subject, comparison, literal))
    }

    fn changed(&mut self) -> Result<Node, Fault> {
        self.advance()?;
        if self.token != Token::Has {
            let what =
                "expected `:` after `changed`; a field of that name is quoted: `\"changed\"`";
            return Err(self.fault(what));
        }
        self.advance()?;
        self.path().map(Node::Changed)
    }

    fn subject(&mut self) -> Result<Subject, Fault> {
        let Token::Word(word) = self.token else {
            return self.path().map(Subject::Field);
        };
        if matches!(word, "AND" | "OR" | "NOT") {
            return Err(self.fault(format!("expected a field before {word}")));
        }
        match Subject::META.iter().find(|(name, _)| *name == word) {
            Some((_, subject)) => self.advance().map(|_| subject.clone()),
            None if word.starts_with('_') => {
                let names = Subject::META.map(|(name, _)| name).join(", ");
                let what = format!("accepts {names}; other fields that begin with _ are quoted");
                Err(self.fault(what))
            }
            None => self.path().map(Subject::Field),
        }
    }

    fn path(&mut self) -> Result<FieldPath, Fault> {
        let path = match &self.token {
            Token::Path(path) => Some(path.clone()),
            Token::Word(word) => word.parse().ok(),
            Token::Quoted(name) => FieldPath::from_names([&**name]).ok(),
            _ => None,
        };
        let path = path.ok_or_else(|| self.fault("expected a field, such as inventory.gold"))?;
        self.advance()?;
        Ok(path)
    }

    /// The value that `subject` is compared with; without a comparison, the value that it has.
    fn literal(
        &mut self,
        subject: &Subject,
        comparison: Option<Comparison>,
    ) -> Result<Literal, Fault> {
        let literal = match &self.token {
            Token::Quoted(text) => Literal::Text((&**text).into()),
            Token::Word("null") => Literal::Null,
            Token::Word("true") => Literal::Bool(true),
            Token::Word("false") => Literal::Bool(false),
            Token::Word(word @ ("AND" | "OR" | "NOT")) => {
                return Err(self.fault(format!("expected a value before {word}")));
            }
            Token::Word(word) if begins_number(word) => match word.parse().map(Number::new) {
                Ok(Some(number)) => Literal::Number(number),
                _ => return Err(self.fault("expected a number within ±(2^53 − 1)")),
            },
            Token::Word(word) => Literal::Text((*word).into()),
            _ => return Err(self.fault("expected text, a number, true, false or null")),
        };
        let ordered = !matches!(comparison, None | Some(Comparison::Equal | Comparison::NotEqual));
        if ordered && matches!(literal, Literal::Null | Literal::Bool(_)) {
            return Err(self.fault("only = and != compare with null, true and false"));
        }
        let has = comparison.is_none();
        let fits = match (subject, &literal) {
            (Subject::Field(_), _) => true,
            (Subject::Version, literal) => !has && matches!(literal, Literal::Number(_)),
            (Subject::UpdatedAt, Literal::Text(text)) => !has && parse_timestamp(text).is_some(),
            (Subject::UpdatedAt, _) => false,
            (Subject::Type | Subject::Id | Subject::Kind, literal) => {
                matches!(literal, Literal::Text(_))
            }
        };
        if !fits {
            return Err(self.fault(match subject {
                Subject::Version => "_version is compared with a number",
                Subject::UpdatedAt => {
                    "_updated_at is compared with \"2026-11-21T06:44:52Z\" and the like"
                }
                _ => "this is compared with text",
            }));
        }
        self.advance()?;
        Ok(literal)
    }
}

/// A bare word that begins so is meant as a number.
fn begins_number(word: &str) -> bool {
    word.trim_start_matches(['-', '+', '.']).starts_with(|c: char| c.is_ascii_digit())
}

fn joined(mut nodes: Vec<Node>, join: impl Fn(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        1 => nodes.remove(0),
        _ => join(nodes),
    }
}
