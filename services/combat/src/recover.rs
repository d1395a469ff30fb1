//! A session from its log.

use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{CheckedContent, Record, Session};
use gamemesh_domain::{Code, Result};
use gamemesh_repository::{Direction, Event, Version};

use crate::convert::{self, Named};
use crate::edge::Shared;
use crate::ids::SessionId;
use crate::shard::events::EventRing;
use crate::stored::{BLOCK, Block, Header, KEYFRAME, Keyframe, damaged};
use crate::verdicts::Verdicts;

/// Log events that are read at once.
const PAGE: usize = 128;

/// How far back events are made again for clients that come back, in log events.
pub(crate) const EVENTS_BACK: usize = 512;

/// A session as its log has it.
pub(crate) struct Recovered {
    pub(crate) state: Session,
    pub(crate) content: Arc<CheckedContent>,
    pub(crate) header: Header,
    pub(crate) events: EventRing,
    pub(crate) verdicts: Option<Verdicts>,
    /// Version of the stream.
    pub(crate) version: Version,
}

/// Folds a session from its last keyframe, or from one that is so many log events back. `None`: there is
/// no such session.
pub(crate) async fn recover(
    shared: &Shared,
    id: &SessionId,
    back: usize,
) -> Result<Option<Recovered>> {
    let stream = id.stream();
    let Some(head) = shared.log.head(&stream).await? else { return Ok(None) };
    let mut newest_first: Vec<Event> = Vec::new();
    let mut from = head.version;
    // Back to a keyframe, and far enough for those who missed something.
    while from > 0 {
        let page = shared.log.read_stream(&stream, from, PAGE, Direction::Backward).await?;
        let Some(last) = page.last() else { break };
        from = last.version - 1;
        newest_first.extend(page);
        let keyframes = newest_first.iter().any(|event| &*event.kind == KEYFRAME);
        if keyframes && newest_first.len() >= back {
            break;
        }
    }
    newest_first.reverse();
    let fold = Fold::begin(shared, &newest_first).await?;
    Ok(Some(fold.finish(head.version)))
}

/// A fold over log events of one session.
pub(crate) struct Fold {
    pub(crate) state: Session,
    pub(crate) content: Arc<CheckedContent>,
    pub(crate) header: Header,
    pub(crate) events: EventRing,
    /// Absent where the fold began at a keyframe that does not say.
    pub(crate) verdicts: Option<Verdicts>,
}

impl Fold {
    /// Folds the events of a stream, which begin at its start or hold a keyframe.
    async fn begin(shared: &Shared, events: &[Event]) -> Result<Self> {
        let mut fold: Option<Self> = None;
        for event in events {
            match &*event.kind {
                KEYFRAME if fold.is_none() => {
                    let keyframe = Keyframe::read(&event.data)?;
                    fold = Some(Self::at(shared, &keyframe).await?);
                }
                BLOCK => {
                    let block = Block::read(&event.data)?;
                    match &mut fold {
                        Some(fold) => fold.block(&block)?,
                        None if block.first == 1 => fold = Some(Self::first(shared, &block).await?),
                        None => {}
                    }
                }
                _ => {}
            }
        }
        fold.ok_or_else(|| damaged("neither its start nor a keyframe is there"))
    }

    /// Goes on from a keyframe.
    pub(crate) async fn at(shared: &Shared, keyframe: &Keyframe) -> Result<Self> {
        let state = keyframe.session()?;
        let content = shared.contents.of(state.created.content).await?;
        let header = keyframe.header.clone().unwrap_or_default();
        let events = EventRing::after(keyframe.events, keyframe.epoch);
        let verdicts = keyframe.verdicts.clone().map(|stored| Verdicts::of(stored.counts));
        Ok(Self { state, content, header, events, verdicts })
    }

    /// Begins with the first block.
    async fn first(shared: &Shared, block: &Block) -> Result<Self> {
        let mut fold = Self::opening(shared, block).await?;
        fold.block(block)?;
        Ok(fold)
    }

    /// Begins with the first record of the first block.
    pub(crate) async fn opening(shared: &Shared, block: &Block) -> Result<Self> {
        let first = block.records().next().ok_or_else(|| damaged("an empty block"))??;
        let state = Session::begin(&first)?;
        let content = shared.contents.of(state.created.content).await?;
        let header = block.header.clone().unwrap_or_default();
        let (events, verdicts) = (EventRing::of(block.epoch), Some(Verdicts::default()));
        let mut fold = Self { state, content, header, events, verdicts };
        fold.tell(&first);
        Ok(fold)
    }

    /// Folds what of a block is not folded yet.
    pub(crate) fn block(&mut self, block: &Block) -> Result<()> {
        self.events.begins(block.epoch);
        for record in block.records() {
            let record = record?;
            if record.number > self.state.version {
                self.take(&record)?;
            }
        }
        Ok(())
    }

    /// Folds the next record; what clients were told of it.
    pub(crate) fn take(&mut self, record: &Record) -> Result<Option<pb::CombatEvent>> {
        self.state.apply(record)?;
        if let Some(verdicts) = &mut self.verdicts {
            verdicts.count(&record.event);
        }
        Ok(self.tell(record))
    }

    pub(crate) fn named(&self) -> Named<'_> {
        Named { state: &self.state, content: &self.content }
    }

    /// What clients were told of a record that was folded just now.
    fn tell(&mut self, record: &Record) -> Option<pb::CombatEvent> {
        let told = convert::record::told(self.named(), record)?;
        let event = pb::CombatEvent {
            seq: 0,
            tick: record.tick.0,
            time: Some(self.time(record.at_us)),
            session_id: String::new(),
            event: Some(told),
        };
        let seq = self.events.push(event.clone());
        Some(pb::CombatEvent { seq, ..event })
    }

    pub(crate) fn time(&self, at_us: u64) -> prost_types::Timestamp {
        convert::timestamp(self.header.created_us.saturating_add(at_us as i64))
    }

    fn finish(self, version: Version) -> Recovered {
        let Self { state, content, header, events, verdicts } = self;
        Recovered { state, content, header, events, verdicts, version }
    }
}

/// That a stream is no session's.
pub(crate) fn not_found(id: &SessionId) -> gamemesh_domain::Error {
    gamemesh_domain::Error::new(Code::NotFound, format!("there is no session {id}"))
}
