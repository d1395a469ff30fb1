//! The endings of English words, cut by Porter's rules of 1980. Other words stay as they are.

/// A word in lower case without its ending.
pub(super) fn stem(word: &str) -> String {
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return word.to_owned();
    }
    let mut stemmer = Stemmer { word: word.to_owned() };
    stemmer.plurals();
    stemmer.past_and_progressive();
    stemmer.final_y();
    stemmer.replace_longest(&DOUBLE, 0);
    stemmer.replace_longest(&SINGLE, 0);
    stemmer.drop_last();
    stemmer.final_e();
    stemmer.word
}

const DOUBLE: [(&str, &str); 20] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("abli", "able"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
];

const SINGLE: [(&str, &str); 7] = [
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

const LAST: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
];

struct Stemmer {
    word: String,
}

impl Stemmer {
    fn is_consonant(bytes: &[u8], at: usize) -> bool {
        match bytes[at] {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => at == 0 || !Self::is_consonant(bytes, at - 1),
            _ => true,
        }
    }

    /// How many times a vowel is followed by a consonant.
    fn measure(stem: &str) -> usize {
        let bytes = stem.as_bytes();
        let kinds: Vec<bool> = (0..bytes.len()).map(|at| Self::is_consonant(bytes, at)).collect();
        kinds.windows(2).filter(|pair| !pair[0] && pair[1]).count()
    }

    fn has_vowel(stem: &str) -> bool {
        (0..stem.len()).any(|at| !Self::is_consonant(stem.as_bytes(), at))
    }

    fn ends_double(&self) -> bool {
        let bytes = self.word.as_bytes();
        let n = bytes.len();
        n >= 2 && bytes[n - 1] == bytes[n - 2] && Self::is_consonant(bytes, n - 1)
    }

    /// Consonant, vowel, consonant other than w, x and y.
    fn ends_short(word: &str) -> bool {
        let bytes = word.as_bytes();
        let n = bytes.len();
        n >= 3
            && Self::is_consonant(bytes, n - 3)
            && !Self::is_consonant(bytes, n - 2)
            && Self::is_consonant(bytes, n - 1)
            && !matches!(bytes[n - 1], b'w' | b'x' | b'y')
    }

    fn cut(&mut self, length: usize) {
        self.word.truncate(self.word.len() - length);
    }

    fn plurals(&mut self) {
        if self.word.ends_with("sses") || self.word.ends_with("ies") {
            self.cut(2);
        } else if self.word.ends_with('s') && !self.word.ends_with("ss") {
            self.cut(1);
        }
    }

    fn past_and_progressive(&mut self) {
        if let Some(stem) = self.word.strip_suffix("eed") {
            if Self::measure(stem) > 0 {
                self.cut(1);
            }
            return;
        }
        let ending = ["ed", "ing"]
            .into_iter()
            .find(|ending| self.word.strip_suffix(ending).is_some_and(Self::has_vowel));
        let Some(ending) = ending else { return };
        self.cut(ending.len());
        if ["at", "bl", "iz"].iter().any(|end| self.word.ends_with(end)) {
            self.word.push('e');
        } else if self.ends_double() && !self.word.ends_with(['l', 's', 'z']) {
            self.cut(1);
        } else if Self::measure(&self.word) == 1 && Self::ends_short(&self.word) {
            self.word.push('e');
        }
    }

    fn final_y(&mut self) {
        if self.word.strip_suffix('y').is_some_and(Self::has_vowel) {
            self.cut(1);
            self.word.push('i');
        }
    }

    fn replace_longest(&mut self, rules: &[(&str, &str)], above: usize) {
        let fitting = rules.iter().filter(|(ending, _)| self.word.ends_with(ending));
        let Some((ending, by)) = fitting.max_by_key(|(ending, _)| ending.len()) else { return };
        let stem = self.word.len() - ending.len();
        if Self::measure(&self.word[..stem]) > above {
            self.word.truncate(stem);
            self.word.push_str(by);
        }
    }

    fn drop_last(&mut self) {
        let fitting = LAST.iter().filter(|ending| self.word.ends_with(*ending));
        let Some(ending) = fitting.max_by_key(|ending| ending.len()) else { return };
        let stem = &self.word[..self.word.len() - ending.len()];
        let fits = *ending != "ion" || stem.ends_with(['s', 't']);
        if fits && Self::measure(stem) > 1 {
            self.cut(ending.len());
        }
    }

    fn final_e(&mut self) {
        if let Some(stem) = self.word.strip_suffix('e') {
            let measure = Self::measure(stem);
            if measure > 1 || (measure == 1 && !Self::ends_short(stem)) {
                self.cut(1);
            }
        }
        if Self::measure(&self.word) > 1 && self.ends_double() && self.word.ends_with('l') {
            self.cut(1);
        }
    }
}
