//! The tokens of RFC 8259, strictly, as slices of the text wherever they need no change.

use std::borrow::Cow;

/// The text is not JSON: what was expected, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

/// What the next value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Object,
    List,
    String,
    Number,
    True,
    False,
    Null,
}

impl Next {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::List => "a list",
            Self::String => "a string",
            Self::Number => "a number",
            Self::True => "true",
            Self::False => "false",
            Self::Null => "null",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Looks at the next value without reading it.
    pub(crate) fn next(&mut self) -> Result<Next> {
        match self.peek() {
            Some(b'{') => Ok(Next::Object),
            Some(b'[') => Ok(Next::List),
            Some(b'"') => Ok(Next::String),
            Some(b'-' | b'0'..=b'9') => Ok(Next::Number),
            Some(b't') if self.rest().starts_with("true") => Ok(Next::True),
            Some(b'f') if self.rest().starts_with("false") => Ok(Next::False),
            Some(b'n') if self.rest().starts_with("null") => Ok(Next::Null),
            _ => self.expected("a value"),
        }
    }

    /// Reads the bracket or brace that [`next`](Self::next) saw.
    pub(crate) fn open(&mut self) {
        self.at += 1;
    }

    /// The next key of an object with its colon, or `None` at its end.
    pub(crate) fn key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>> {
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !first => {
                self.at += 1;
                self.peek();
            }
            Some(b'"') if first => {}
            _ if first => return self.expected("a key or '}'"),
            _ => return self.expected("',' or '}'"),
        }
        if self.peek() != Some(b'"') {
            return self.expected("a key in double quotes");
        }
        let key = self.string()?;
        if self.peek() != Some(b':') {
            return self.expected("':'");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether another element follows in a list; reads the comma or the closing bracket.
    pub(crate) fn element(&mut self, first: bool) -> Result<bool> {
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                if self.peek() == Some(b']') {
                    return self.expected("a value");
                }
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => self.expected("',' or ']'"),
        }
    }

    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        loop {
            match bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Cow::Borrowed(&self.text[start..at]));
                }
                Some(b'\\') => break,
                Some(0..0x20) | None => {
                    self.at = at;
                    return self.expected("the end of a string; control characters are escaped");
                }
                Some(_) => at += 1,
            }
        }
        let mut owned = String::from(&self.text[start..at]);
        self.at = at;
        self.rest_of_string(&mut owned)?;
        Ok(Cow::Owned(owned))
    }

    pub(crate) fn number(&mut self) -> Result<&'a str> {
        let rest = self.rest();
        let length = number_length(rest.as_bytes());
        if length == 0 {
            return self.expected("a number");
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// Reads the word that [`next`](Self::next) saw.
    pub(crate) fn word(&mut self, word: &str) {
        self.at += word.len();
    }

    /// Reads over one value, whatever it is.
    pub(crate) fn skip(&mut self, depth_left: usize) -> Result<()> {
        match self.next()? {
            Next::String => self.string().map(drop),
            Next::Number => self.number().map(drop),
            Next::True => {
                self.word("true");
                Ok(())
            }
            Next::False => {
                self.word("false");
                Ok(())
            }
            Next::Null => {
                self.word("null");
                Ok(())
            }
            Next::Object | Next::List if depth_left == 0 => self.expected("less depth"),
            Next::Object => {
                self.open();
                let mut first = true;
                while self.key(first)?.is_some() {
                    first = false;
                    self.skip(depth_left - 1)?;
                }
                Ok(())
            }
            Next::List => {
                self.open();
                let mut first = true;
                while self.element(first)? {
                    first = false;
                    self.skip(depth_left - 1)?;
                }
                Ok(())
            }
        }
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.expected("the end of the JSON text"),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn rest_of_string(&mut self, out: &mut String) -> Result<()> {
        loop {
            let rest = self.rest();
            let plain = rest
                .bytes()
                .position(|b| matches!(b, b'"' | b'\\' | 0..0x20))
                .unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match rest.as_bytes().get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return self.expected("the end of a string; control characters are escaped"),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        let plain = match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.expected("an escape that JSON has"),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let first = self.hex(self.at)?;
        if let Some(char) = char::from_u32(first) {
            self.at += 6;
            return Ok(char);
        }
        let second = match first {
            0xd800..0xdc00 => self.hex(self.at + 6)?,
            _ => return self.expected("the first half of a surrogate pair"),
        };
        if !(0xdc00..0xe000).contains(&second) {
            return self.expected("the second half of a surrogate pair");
        }
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        self.at += 12;
        match char::from_u32(code) {
            Some(char) => Ok(char),
            None => self.expected("a character"),
        }
    }

    /// The four digits of a `\uXXXX` at `at`.
    fn hex(&self, at: usize) -> Result<u32> {
        let bytes = self.text.as_bytes().get(at..at + 6);
        match bytes {
            Some([b'\\', b'u', digits @ ..]) if digits.iter().all(u8::is_ascii_hexdigit) => {
                Ok(digits
                    .iter()
                    .fold(0, |code, d| code << 4 | (*d as char).to_digit(16).unwrap_or(0)))
            }
            _ => self.expected("\\u and four hexadecimal digits"),
        }
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T> {
        Err(SyntaxError { at: self.at, expected })
    }
}

/// How many bytes at the start are a JSON number; 0 if there is none.
pub(super) fn number_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at += digits(at),
        _ => return 0,
    }
    if bytes.get(at) == Some(&b'.') {
        match digits(at + 1) {
            0 => return 0,
            n => at += 1 + n,
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        match digits((at + 1 + sign).min(bytes.len())) {
            0 => return 0,
            n => at += 1 + sign + n,
        }
    }
    at
}
