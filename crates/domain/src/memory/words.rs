//! Words: what a text is found by, and how well it is (BM25).
//!
//! One tokenizer for every back end, so that the same question finds the same memories everywhere.

use std::collections::BTreeMap;

use super::stem::stem;

/// Tokens of one text that are looked at.
pub const TOKENS_MAX: usize = 20_000;

/// Longer runs of letters are cut: they are no words.
const TOKEN_CHARS_MAX: usize = 64;

/// BM25: how soon more of the same word stops to count.
const SATURATION: f64 = 1.2;
/// BM25: how much a long text is set back.
const LENGTH_SHARE: f64 = 0.75;

/// Words that nearly every text has.
const STOP_WORDS: [&str; 44] = [
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "did", "do", "does", "for",
    "from", "had", "has", "have", "he", "her", "his", "i", "in", "is", "it", "its", "of", "on",
    "or", "she", "that", "the", "their", "they", "this", "to", "was", "we", "were", "what", "when",
    "which", "with", "you",
];

/// The tokens of a text, in order. Letters and digits in a run are a word, in lower case and without its
/// English ending; scripts that do not part words give each character and each pair of neighbours.
pub fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut before: Option<char> = None;
    for c in text.chars() {
        if found.len() >= TOKENS_MAX {
            break;
        }
        if is_unparted(c) {
            push_word(&mut found, &mut word);
            found.push(c.to_string());
            if let Some(before) = before {
                found.push([before, c].iter().collect());
            }
            before = Some(c);
            continue;
        }
        before = None;
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        } else if !matches!(c, '\'' | '’') || word.is_empty() {
            push_word(&mut found, &mut word);
        }
    }
    push_word(&mut found, &mut word);
    found.truncate(TOKENS_MAX);
    found
}

fn push_word(found: &mut Vec<String>, word: &mut String) {
    if word.is_empty() {
        return;
    }
    if let Some((end, _)) = word.char_indices().nth(TOKEN_CHARS_MAX) {
        word.truncate(end);
    }
    if !STOP_WORDS.contains(&word.as_str()) {
        found.push(stem(word));
    }
    word.clear();
}

/// Scripts that write without spaces between words.
const fn is_unparted(c: char) -> bool {
    matches!(
        c,
        '\u{0e00}'..='\u{0eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}'
    )
}

/// The words of some texts, each under a number that the caller chooses.
#[derive(Debug, Clone, Default)]
pub struct WordIndex {
    /// Word → text → how often.
    postings: BTreeMap<Box<str>, BTreeMap<u32, u32>>,
    /// Text → its tokens.
    lengths: BTreeMap<u32, u32>,
    tokens_total: u64,
}

impl WordIndex {
    /// Takes a text in, in place of what had its number.
    pub fn insert(&mut self, number: u32, text: &str) {
        let tokens = tokens(text);
        self.lengths.insert(number, tokens.len() as u32);
        self.tokens_total += tokens.len() as u64;
        for token in tokens {
            let texts = self.postings.entry(token.into_boxed_str()).or_default();
            *texts.entry(number).or_default() += 1;
        }
    }

    /// Forgets a text, whose words must be those that it was taken in with.
    pub fn remove(&mut self, number: u32, text: &str) {
        let Some(length) = self.lengths.remove(&number) else { return };
        self.tokens_total -= u64::from(length);
        for token in tokens(text) {
            if let Some(texts) = self.postings.get_mut(token.as_str()) {
                texts.remove(&number);
                if texts.is_empty() {
                    self.postings.remove(token.as_str());
                }
            }
        }
    }

    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// An estimate of the memory that this holds.
    pub fn size_bytes(&self) -> usize {
        const WORD_BYTES: usize = 80;
        const POSTING_BYTES: usize = 12;
        self.postings.len() * WORD_BYTES
            + self.postings.values().map(|texts| texts.len() * POSTING_BYTES).sum::<usize>()
            + self.lengths.len() * POSTING_BYTES
    }

    /// BM25 of every text that has a word of the question, over the texts of several indexes together, so
    /// that a rare word is rare in all of them.
    pub fn search(indexes: &[&Self], question: &str) -> WordsFound {
        let mut scores = vec![BTreeMap::new(); indexes.len()];
        let mut full = 0.0;
        let texts = indexes.iter().map(|index| index.len()).sum::<usize>() as f64;
        let tokens_total = indexes.iter().map(|index| index.tokens_total).sum::<u64>() as f64;
        let mean = (tokens_total / texts.max(1.0)).max(1.0);
        let mut asked = tokens(question);
        asked.sort_unstable();
        asked.dedup();
        for token in &asked {
            let having =
                |index: &&Self| index.postings.get(token.as_str()).map_or(0, BTreeMap::len);
            let with = indexes.iter().map(having).sum::<usize>() as f64;
            let rarity = (1.0 + (texts - with + 0.5) / (with + 0.5)).ln();
            full += rarity;
            for (index, scores) in indexes.iter().zip(&mut scores) {
                for (number, count) in index.postings.get(token.as_str()).into_iter().flatten() {
                    let length = f64::from(index.lengths.get(number).copied().unwrap_or(0));
                    let count = f64::from(*count);
                    let set_back = 1.0 - LENGTH_SHARE + LENGTH_SHARE * length / mean;
                    let part = count * (SATURATION + 1.0) / (count + SATURATION * set_back);
                    *scores.entry(*number).or_insert(0.0) += rarity * part;
                }
            }
        }
        WordsFound { scores, full }
    }
}

/// What a question finds by its words.
#[derive(Debug, Clone, PartialEq)]
pub struct WordsFound {
    /// For each index the score of each text that has one of the words.
    pub scores: Vec<BTreeMap<u32, f64>>,
    /// The score of a text of middle length that has every word of the question once. Words that no text
    /// has count, too: they are what is asked for and not found.
    pub full: f64,
}
