//! Text to the tokens of BERT: lower case, words and signs, and the longest pieces of the vocabulary.

use std::collections::HashMap;

use serde::Deserialize;

/// Longer words are unknown.
const WORD_CHARS_MAX: usize = 100;

#[derive(Deserialize)]
struct File {
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
}

pub(super) struct WordPiece {
    vocabulary: HashMap<String, u32>,
    first: u32,
    last: u32,
    unknown: u32,
}

impl WordPiece {
    pub(super) fn read(file: &[u8]) -> Result<Self, String> {
        let File { model } =
            serde_json::from_slice(file).map_err(|error| format!("tokenizer.json: {error}"))?;
        let special = |name: &str| {
            let found = model.vocab.get(name).copied();
            found.ok_or_else(|| format!("tokenizer.json: has no {name}"))
        };
        let (first, last, unknown) = (special("[CLS]")?, special("[SEP]")?, special("[UNK]")?);
        Ok(Self { vocabulary: model.vocab, first, last, unknown })
    }

    /// At most so many tokens, the first and last among them, and whether the text was cut.
    pub(super) fn encode(&self, text: &str, tokens_max: usize) -> (Vec<u32>, bool) {
        let mut tokens = vec![self.first];
        for word in words(text) {
            self.pieces(&word, &mut tokens);
            if tokens.len() >= tokens_max {
                break;
            }
        }
        let truncated = tokens.len() >= tokens_max;
        tokens.truncate(tokens_max - 1);
        tokens.push(self.last);
        (tokens, truncated)
    }

    fn pieces(&self, word: &str, tokens: &mut Vec<u32>) {
        let chars: Vec<char> = word.chars().collect();
        if chars.len() > WORD_CHARS_MAX {
            return tokens.push(self.unknown);
        }
        let begun = tokens.len();
        let mut start = 0;
        while start < chars.len() {
            let found = (start + 1..=chars.len()).rev().find_map(|end| {
                let piece: String = chars[start..end].iter().collect();
                let piece = if start > 0 { format!("##{piece}") } else { piece };
                Some((*self.vocabulary.get(&piece)?, end))
            });
            let Some((token, end)) = found else {
                tokens.truncate(begun);
                return tokens.push(self.unknown);
            };
            tokens.push(token);
            start = end;
        }
    }
}

/// Words and signs, each by itself; characters of Chinese are words.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars().flat_map(char::to_lowercase).map(plain) {
        let stands_alone = is_sign(c) || is_ideograph(c);
        if stands_alone || c.is_whitespace() || c.is_control() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if stands_alone {
            words.push(c.to_string());
        } else if !(c.is_whitespace() || c.is_control() || is_mark(c)) {
            word.push(c);
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn is_sign(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}'
            | '\u{3008}'..='\u{3011}' | '¡' | '§' | '«' | '¶' | '·' | '»' | '¿')
}

const fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{2fa1f}')
}

const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// The letter without its accent, for those of Latin scripts that the vocabulary was made from.
const fn plain(c: char) -> char {
    match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' | 'ĉ' | 'ċ' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' => 'i',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ŏ' | 'ő' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' => 's',
        'ţ' | 'ť' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => 'u',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_signs_are_parted() {
        assert_eq!(
            words("Don't stop, Zoë! 剑客"),
            ["don", "'", "t", "stop", ",", "zoe", "!", "剑", "客"]
        );
    }

    #[test]
    fn the_longest_pieces_are_taken_and_long_texts_are_cut() {
        let names = ["[CLS]", "[SEP]", "[UNK]", "play", "##ing", "##er", "the"];
        let vocab: serde_json::Map<String, serde_json::Value> =
            names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at.into())).collect();
        let file = serde_json::json!({ "model": { "vocab": vocab } }).to_string();
        let words = WordPiece::read(file.as_bytes()).unwrap();
        assert_eq!(
            words.encode("The playing xyz player", 16),
            (vec![0, 6, 3, 4, 2, 3, 5, 1], false)
        );
        let (tokens, truncated) = words.encode(&"the ".repeat(300), 256);
        assert_eq!((tokens.len(), tokens[255], truncated), (256, 1, true));
    }
}
