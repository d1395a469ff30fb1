//! When two memories say the same.
//!
//! Vectors alone do not tell: "the deadline is 15 October" and "… 16 October" lie closer than 0.99, and
//! contradict each other. So the words decide whether two that are near are one or in conflict.

use std::collections::BTreeSet;

use super::{Memory, tokens};

/// Cosine from which two memories can be the same.
pub const DUPLICATE_COSINE: f64 = 0.97;

/// Share of common words from which two memories can be the same, where one has no vector.
const DUPLICATE_WORDS: f64 = 0.9;

/// Words that turn a statement round.
const NEGATIONS: [&str; 8] =
    ["no", "not", "never", "none", "nobody", "nothing", "without", "cannot"];

/// How two memories stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// One says all that the other does.
    Same,
    /// Nearly the same words, and something in place of something else.
    Conflict,
    Different,
}

/// How two texts stand to each other, given the cosine of their vectors if both have one.
pub fn likeness(a: &str, b: &str, cosine: Option<f64>) -> Likeness {
    if a == b {
        return Likeness::Same;
    }
    let (mine, theirs) = (words(a), words(b));
    let common = mine.intersection(&theirs).count();
    let near = match cosine {
        Some(cosine) => cosine >= DUPLICATE_COSINE,
        None => {
            let either = mine.len() + theirs.len() - common;
            either > 0 && common as f64 >= DUPLICATE_WORDS * either as f64
        }
    };
    if !near {
        return Likeness::Different;
    }
    let decisive = |words: &BTreeSet<String>| -> BTreeSet<String> {
        let is_decisive = |word: &&String| {
            word.bytes().any(|byte| byte.is_ascii_digit()) || NEGATIONS.contains(&word.as_str())
        };
        words.iter().filter(is_decisive).cloned().collect()
    };
    let contained = common == mine.len() || common == theirs.len();
    if contained && decisive(&mine) == decisive(&theirs) {
        Likeness::Same
    } else {
        Likeness::Conflict
    }
}

/// Groups of memories that say the same, the one that stays first: the pinned, then the more important,
/// then the longer text, then the newer, then the smaller id. Memories are compared only where owner,
/// kind and subjects are the same; `cosine` tells of two by their places. Conflicts come as pairs.
pub fn duplicates(
    memories: &[&Memory],
    mut cosine: impl FnMut(usize, usize) -> Option<f64>,
) -> (Vec<Vec<usize>>, Vec<(usize, usize)>) {
    let mut order: Vec<usize> = (0..memories.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (memories[*a], memories[*b]);
        b.pinned
            .cmp(&a.pinned)
            .then(b.importance.total_cmp(&a.importance))
            .then(b.text.len().cmp(&a.text.len()))
            .then(b.created_us.cmp(&a.created_us))
            .then(a.id.cmp(&b.id))
    });
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut conflicts = Vec::new();
    for place in order {
        let memory = memories[place];
        let mut home = None;
        for (number, group) in groups.iter().enumerate() {
            let first = memories[group[0]];
            let comparable = first.npc == memory.npc
                && first.kind == memory.kind
                && first.subjects == memory.subjects
                && first.visibility == memory.visibility;
            if !comparable {
                continue;
            }
            match likeness(&first.text, &memory.text, cosine(group[0], place)) {
                Likeness::Same => {
                    home = Some(number);
                    break;
                }
                Likeness::Conflict => conflicts.push((group[0], place)),
                Likeness::Different => {}
            }
        }
        match home {
            Some(number) => groups[number].push(place),
            None => groups.push(vec![place]),
        }
    }
    groups.retain(|group| group.len() > 1);
    (groups, conflicts)
}

/// The words without their endings cut, and with those that are usually passed over: here they count.
fn words(text: &str) -> BTreeSet<String> {
    let mut words: BTreeSet<String> = tokens(text).into_iter().collect();
    let lower = text.to_lowercase();
    let plain = lower.split(|c: char| !c.is_alphanumeric());
    words.extend(plain.filter(|word| NEGATIONS.contains(word)).map(ToOwned::to_owned));
    if lower.contains("n't") || lower.contains("n’t") {
        words.insert("not".to_owned());
    }
    words
}
