//! Values within a bound of bytes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Keeps values as long as they fit, and gives up the least lately used first. What alone exceeds the bound
/// is kept until the next value comes.
#[derive(Debug)]
pub struct Shelf<K, V> {
    bytes_max: usize,
    bytes: usize,
    clock: u64,
    values: HashMap<K, Held<V>>,
    /// When last used → what.
    order: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Shelf<K, V> {
    pub fn new(bytes_max: usize) -> Self {
        let (values, order) = (HashMap::new(), BTreeMap::new());
        Self { bytes_max, bytes: 0, clock: 0, values, order }
    }

    /// The value, which is the latest used now.
    pub fn get(&mut self, key: &K) -> Option<V> {
        let held = self.values.get_mut(key)?;
        self.clock += 1;
        self.order.remove(&held.used);
        held.used = self.clock;
        self.order.insert(held.used, key.clone());
        Some(held.value.clone())
    }

    /// Takes a value, or tells that it has become larger or smaller, and answers what is given up for it.
    pub fn put(&mut self, key: K, value: V, bytes: usize) -> Vec<V> {
        drop(self.remove(&key));
        self.clock += 1;
        self.bytes += bytes;
        self.order.insert(self.clock, key.clone());
        self.values.insert(key, Held { value, bytes, used: self.clock });
        let mut given_up = Vec::new();
        while self.bytes > self.bytes_max && self.values.len() > 1 {
            let Some((_, key)) = self.order.pop_first() else { break };
            if let Some(held) = self.values.remove(&key) {
                self.bytes -= held.bytes;
                given_up.push(held.value);
            }
        }
        given_up
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let held = self.values.remove(key)?;
        self.order.remove(&held.used);
        self.bytes -= held.bytes;
        Some(held.value)
    }

    /// Gives all up that a condition does not hold for.
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        let leaving: Vec<K> = self.values.keys().filter(|key| !keep(key)).cloned().collect();
        for key in leaving {
            drop(self.remove(&key));
        }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}
