//! What was used lately, within a bound.

use std::collections::HashMap;
use std::hash::Hash;

/// A bounded cache: when the young generation is full, the old one is forgotten and the young one
/// grows old. What is put again, or revived, is young.
#[derive(Debug)]
pub struct Generations<K, V> {
    generation_max: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    /// Keeps at most twice `generation_max` values, and always the last so many put.
    pub fn new(generation_max: usize) -> Self {
        Self { generation_max, young: HashMap::new(), old: HashMap::new() }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The same, and it stays as long as if it had just been put.
    pub fn revive(&mut self, key: &K) -> Option<&V>
    where
        K: Clone,
    {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.put(key.clone(), value);
        }
        self.young.get(key)
    }

    pub fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.generation_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        const GENERATION_MAX: u64 = 1_000;
        let mut kept = Generations::new(GENERATION_MAX as usize);
        (0..=GENERATION_MAX).for_each(|n| kept.put(n, n));
        assert_eq!(kept.revive(&7), Some(&7), "it moves to the young");
        (GENERATION_MAX + 1..2 * GENERATION_MAX).for_each(|n| kept.put(n, n));
        assert_eq!(
            (kept.get(&7).copied(), kept.get(&8).copied(), kept.revive(&8)),
            (Some(7), None, None)
        );
        assert!(kept.len() <= 2 * GENERATION_MAX as usize);
    }
}
