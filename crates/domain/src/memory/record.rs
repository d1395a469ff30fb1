//! A memory, and the names in it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::document::{Map, Value, format_timestamp};
use crate::{Error, Result};

/// The text of a memory, in bytes.
pub const MEMORY_TEXT_BYTES_MAX: usize = 64 << 10;

/// Witnesses, subjects or sources of one memory.
pub const NAMES_MAX: usize = 64;

/// The id of an NPC, a player, a collection or another thing that callers name: 1 to 128 bytes without
/// control characters and without white space at either end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    pub const BYTES_MAX: usize = 128;

    /// The name in this field of a request.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let valid = (1..=Self::BYTES_MAX).contains(&text.len())
            && !text.chars().any(char::is_control)
            && text.trim().len() == text.len();
        if !valid {
            let what = "accepts 1 to 128 bytes of UTF-8 without control characters and without spaces \
                at its ends";
            return Err(Error::invalid(field, what));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a memory, written as a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemoryId(pub u128);

impl fmt::Display for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            (id >> 80) & 0xffff,
            (id >> 64) & 0xffff,
            (id >> 48) & 0xffff,
            id & 0xffff_ffff_ffff
        )
    }
}

impl FromStr for MemoryId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::invalid("memoryId", "accepts a UUID");
        let dashes = text.bytes().enumerate().filter(|(_, byte)| *byte == b'-').map(|(at, _)| at);
        if text.len() != 36 || !dashes.eq([8, 13, 18, 23]) {
            return Err(refused());
        }
        let digits = text.replace('-', "");
        // A sign would be accepted as a part of the number.
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused());
        }
        u128::from_str_radix(&digits, 16).map(Self).map_err(|_| refused())
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// How it is written in rows and filters.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            pub fn named(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

named! {
    /// What sort of memory it is.
    Kind {
        /// What was seen or heard.
        Observation = "observation",
        /// What was concluded from other memories, its sources.
        Reflection = "reflection",
        /// What is known.
        Fact = "fact",
        /// What is wanted.
        Goal = "goal",
        /// What was said.
        Conversation = "conversation",
    }
}

named! {
    /// Who may know of it.
    Visibility {
        /// Its owner alone.
        Private = "private",
        /// Its owner and the witnesses that it names.
        Witnesses = "witnesses",
        /// Every NPC of the collection.
        Shared = "shared",
    }
}

named! {
    /// Why a memory is not remembered any more.
    Forgotten {
        /// Somebody asked for it.
        Asked = "asked",
        /// The budget of its owner was used up.
        Evicted = "evicted",
        /// Another memory says the same.
        Merged = "merged",
        /// Another memory took its place.
        Superseded = "superseded",
    }
}

/// What an NPC remembers. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    pub id: MemoryId,
    /// Whose memory it is.
    pub npc: Name,
    pub kind: Kind,
    pub text: Arc<str>,
    /// What the caller wants to find it by.
    pub metadata: Map,
    /// 0 to 10.
    pub importance: f64,
    /// Whom it is about.
    pub subjects: Vec<Name>,
    /// Who was there.
    pub witnesses: Vec<Name>,
    pub visibility: Visibility,
    /// What a reflection was concluded from.
    pub sources: Vec<MemoryId>,
    pub pinned: bool,
    /// When it happened.
    pub created_us: i64,
    /// When it was stored.
    pub stored_us: i64,
    /// When it last came to mind.
    pub accessed_us: i64,
    pub accesses: u64,
    pub valid_from_us: Option<i64>,
    pub valid_until_us: Option<i64>,
    pub forgotten: Option<Forgotten>,
    /// The memory that says the same, or that took its place.
    pub replaced_by: Option<MemoryId>,
    /// How many memories were merged into it.
    pub merged: u64,
    pub version: u64,
}

impl Memory {
    /// The NPCs whose pages it lies on: only they can recall it. `None` stands for all.
    pub fn readers(&self) -> Vec<Option<&Name>> {
        let mut readers = vec![Some(&self.npc)];
        match self.visibility {
            Visibility::Private => {}
            Visibility::Witnesses => {
                let others = self.witnesses.iter().filter(|witness| **witness != self.npc);
                readers.extend(others.map(Some));
            }
            Visibility::Shared => readers.push(None),
        }
        readers
    }

    /// Whether an NPC may know of it.
    pub fn is_visible_to(&self, npc: &Name) -> bool {
        match self.visibility {
            _ if self.npc == *npc => true,
            Visibility::Private => false,
            Visibility::Witnesses => self.witnesses.contains(npc),
            Visibility::Shared => true,
        }
    }

    /// Whether it holds at a time.
    pub fn is_valid_at(&self, time_us: i64) -> bool {
        self.valid_from_us.is_none_or(|from| from <= time_us)
            && self.valid_until_us.is_none_or(|until| time_us < until)
    }

    /// What filters look at: the fields of the memory and, below `metadata`, the caller's own.
    pub fn filtered_value(&self) -> Value {
        let texts = |names: &[Name]| {
            let items = names.iter().map(|name| Value::text(name.as_str()));
            Value::List(Arc::new(items.collect()))
        };
        let importance = Value::number(self.importance).unwrap_or_default();
        Value::Map(Map::from_entries(vec![
            ("created_at", Value::text(format_timestamp(self.created_us))),
            ("importance", importance),
            ("kind", Value::text(self.kind.as_str())),
            ("metadata", Value::Map(self.metadata.clone())),
            ("npc_id", Value::text(self.npc.as_str())),
            ("pinned", Value::Bool(self.pinned)),
            ("subjects", texts(&self.subjects)),
            ("visibility", Value::text(self.visibility.as_str())),
            ("witnesses", texts(&self.witnesses)),
        ]))
    }
}
