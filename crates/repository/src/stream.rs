//! Names and numbers of the log.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

/// Streams hash to this many slices, slices to lanes: the number of lanes can change without
/// rehashing a stream.
pub const SLICES: u16 = 1_024;

/// Version of a stream: the number of its events. 0 is the empty stream.
pub type Version = u64;

/// A place in a lane. The first event has position 1; positions are dense and in commit order.
pub type Position = u64;

/// One totally ordered part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub u16);

/// Identity of a store. A restored or re-created store has another one, so that tokens issued
/// before are recognised as foreign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Incarnation(pub [u8; 16]);

/// `<category>/<key>`, such as `player/42`. The category is what streams are listed by.
///
/// A write looks its streams up in some fifteen tables, so what they need of a name is made once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamName {
    name: Arc<str>,
    /// Of this process only.
    hash: u64,
    slice: u16,
    category_bytes: u8,
}

/// Nobody outside can choose names of one hash.
static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Names up to this length are put together where they cost no allocation of their own.
const SHORT_BYTES_MAX: usize = 128;

/// The name, if there is room for it.
fn joined<'a>(room: &'a mut [u8], category: &str, key: &str) -> Option<&'a str> {
    let room = room.get_mut(..category.len() + 1 + key.len())?;
    let (head, tail) = room.split_at_mut(category.len());
    head.copy_from_slice(category.as_bytes());
    tail[0] = b'/';
    tail[1..].copy_from_slice(key.as_bytes());
    std::str::from_utf8(room).ok()
}

impl Hash for StreamName {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

impl StreamName {
    /// Both parts are taken as valid: callers parse them at their edge. The category has at most
    /// 64 bytes and no slash.
    pub fn new(category: &str, key: &str) -> Self {
        debug_assert!(category.len() <= 64 && !category.contains('/'));
        let category_bytes = category.len() as u8;
        let mut room = [0; SHORT_BYTES_MAX];
        match joined(&mut room, category, key) {
            Some(name) => Self::of(name.into(), category_bytes),
            None => Self::of(format!("{category}/{key}").into(), category_bytes),
        }
    }

    /// A name as it was stored; `None` if it has no category.
    pub fn parse(name: &str) -> Option<Self> {
        let slash = name.find('/').filter(|&at| (1..=64).contains(&at))?;
        Some(Self::of(name.into(), slash as u8))
    }

    fn of(name: Arc<str>, category_bytes: u8) -> Self {
        Self { hash: HASHES.hash_one(&*name), slice: slice(&name), name, category_bytes }
    }

    pub fn as_str(&self) -> &str {
        &self.name
    }

    pub fn category(&self) -> &str {
        &self.name[..usize::from(self.category_bytes)]
    }

    pub fn key(&self) -> &str {
        &self.name[usize::from(self.category_bytes) + 1..]
    }

    /// The slice of this stream: stable over restarts, platforms and versions (FNV-1a, 64 bits).
    pub const fn slice(&self) -> u16 {
        self.slice
    }

    /// The lane of this stream in a store with `lanes` lanes.
    pub const fn lane(&self, lanes: u16) -> Lane {
        Lane(self.slice % lanes)
    }
}

fn slice(name: &str) -> u16 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    ((hash >> 32) ^ hash) as u16 % SLICES
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
