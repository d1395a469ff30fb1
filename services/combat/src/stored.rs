//! A session in the log: blocks of records, and keyframes that stand alone.
//!
//! Stream `combat/<session>`, one log event for each block or keyframe. Records keep the rules' own
//! canonical form; what is around them is protobuf, so that a later version can add to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{self, Record, Session};
use gamemesh_domain::{Code, Error, Result};
use prost::Message;

use crate::verdicts::Verdicts;

/// The kinds of log events.
pub(crate) const BLOCK: &str = "combat.block";
pub(crate) const KEYFRAME: &str = "combat.keyframe";
pub(crate) const CONTENT: &str = "combat.content";

/// The form that is written. A block of another form is refused, never guessed at.
const FORMAT: u32 = 1;

/// Records of a session that happened one after the other.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Block {
    #[prost(uint32, tag = "1")]
    pub(crate) format: u32,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    /// Number of the first record.
    #[prost(uint64, tag = "3")]
    pub(crate) first: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) from_tick: u32,
    #[prost(uint32, tag = "5")]
    pub(crate) to_tick: u32,
    /// Events that clients had been told of before this block.
    #[prost(uint64, tag = "6")]
    pub(crate) events_before: u64,
    #[prost(message, repeated, tag = "7")]
    pub(crate) records: Vec<Stored>,
    /// Hashes of the whole state within this block.
    #[prost(message, repeated, tag = "8")]
    pub(crate) hashes: Vec<StoredHash>,
    /// Of the first block only.
    #[prost(message, optional, tag = "9")]
    pub(crate) header: Option<Header>,
    /// What others are told of these records, so that nobody has to fold to know it.
    #[prost(message, repeated, tag = "10")]
    pub(crate) told: Vec<Told>,
    /// The session, where it has changed itself.
    #[prost(message, optional, tag = "11")]
    pub(crate) session: Option<pb::Session>,
    /// How shots were judged.
    #[prost(message, repeated, tag = "12")]
    pub(crate) judged: Vec<pb::DamageValidation>,
    /// Numbers of the players, now and then.
    #[prost(message, repeated, tag = "13")]
    pub(crate) players: Vec<StoredPlayer>,
    #[prost(string, tag = "14")]
    pub(crate) content_hash: String,
}

/// An event that others are told of, and the record that it is of.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Told {
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) event: Option<pb::CombatEvent>,
}

/// The numbers of a player in this session.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StoredPlayer {
    #[prost(string, tag = "1")]
    pub(crate) player_id: String,
    #[prost(int64, tag = "2")]
    pub(crate) score: i64,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) stats: Bytes,
}

/// A record without what follows from its place.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Stored {
    #[prost(uint32, tag = "1")]
    pub(crate) tick: u32,
    #[prost(uint64, tag = "2")]
    pub(crate) at_us: u64,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) event: Bytes,
}

/// The hash of the state after a record.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StoredHash {
    #[prost(uint64, tag = "1")]
    pub(crate) after: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) tick: u32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) hash: Bytes,
}

/// The whole state after a record.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Keyframe {
    #[prost(uint32, tag = "1")]
    pub(crate) format: u32,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) after: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) tick: u32,
    /// Events that clients had been told of by then.
    #[prost(uint64, tag = "5")]
    pub(crate) events: u64,
    #[prost(bytes = "bytes", tag = "6")]
    pub(crate) state: Bytes,
    #[prost(message, optional, tag = "7")]
    pub(crate) header: Option<Header>,
    /// How commands were judged by then, by reason, so that nobody has to count from the start.
    #[prost(message, optional, tag = "8")]
    pub(crate) verdicts: Option<StoredVerdicts>,
}

/// How many commands were judged how.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StoredVerdicts {
    #[prost(btree_map = "string, uint64", tag = "1")]
    pub(crate) counts: BTreeMap<String, u64>,
}

/// What a session has beside its rules: it does not change.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Header {
    /// Microseconds since the Unix epoch.
    #[prost(int64, tag = "1")]
    pub(crate) created_us: i64,
    #[prost(message, optional, tag = "2")]
    pub(crate) policy: Option<pb::SessionPolicy>,
    /// Key and digest of the request that created it.
    #[prost(string, tag = "3")]
    pub(crate) key: String,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) fingerprint: Bytes,
    /// Who created it.
    #[prost(string, tag = "5")]
    pub(crate) actor: String,
}

impl Stored {
    pub(crate) fn of(record: &Record) -> Self {
        Self { tick: record.tick.0, at_us: record.at_us, event: record.event.encode().into() }
    }
}

impl Block {
    pub(crate) fn new(epoch: u64, first: u64, events_before: u64) -> Self {
        Self { format: FORMAT, epoch, first, events_before, ..Self::default() }
    }

    pub(crate) fn read(data: &Bytes) -> Result<Self> {
        let block = Self::decode(data.clone()).map_err(|error| damaged(&error.to_string()))?;
        if block.format != FORMAT {
            return Err(damaged(&format!("a block of form {}", block.format)));
        }
        Ok(block)
    }

    /// The records as the rules know them.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        (self.first..).zip(&self.records).map(|(number, stored)| {
            Ok(Record {
                number,
                tick: combat::Tick(stored.tick),
                at_us: stored.at_us,
                event: combat::Event::decode(&stored.event)?,
            })
        })
    }

    /// Number of the last record.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }
}

impl Keyframe {
    pub(crate) fn of(
        state: &Session,
        epoch: u64,
        events: u64,
        header: &Header,
        verdicts: Option<&Verdicts>,
    ) -> Self {
        Self {
            format: FORMAT,
            epoch,
            after: state.version,
            tick: state.tick.0,
            events,
            state: state.keyframe().into(),
            header: Some(header.clone()),
            verdicts: verdicts.map(|v| StoredVerdicts { counts: v.counts().clone() }),
        }
    }

    pub(crate) fn read(data: &Bytes) -> Result<Self> {
        let keyframe = Self::decode(data.clone()).map_err(|error| damaged(&error.to_string()))?;
        if keyframe.format != FORMAT {
            return Err(damaged(&format!("a keyframe of form {}", keyframe.format)));
        }
        Ok(keyframe)
    }

    pub(crate) fn session(&self) -> Result<Session> {
        Session::from_keyframe(&self.state)
    }
}

pub(crate) fn damaged(what: &str) -> Error {
    Error::new(Code::DataCorrupted, "a stored session cannot be read").with_context(what)
}
