//! To any moment of a session: by halves to the block, back to the keyframe, and forward from there.

use std::sync::Arc;

use gamemesh_domain::Result;
use gamemesh_repository::{Direction, Event, Version};

use super::Pages;
use crate::edge::Shared;
use crate::ids::SessionId;
use crate::recover::{Fold, not_found};
use crate::stored::{BLOCK, Block, KEYFRAME, Keyframe, damaged};

/// Log events between two keyframes that are looked through at once.
const BACK_PAGE: usize = 32;

/// A fold at or before a tick, and what follows in the log.
pub(crate) struct Sought {
    pub(crate) fold: Fold,
    pub(crate) rest: Pages,
    /// The block that the fold is in the middle of.
    pub(crate) block: Option<Block>,
}

/// Folds a session up to the last keyframe before a tick.
pub(crate) async fn seek(shared: &Arc<Shared>, id: &SessionId, tick: u32) -> Result<Sought> {
    let stream = id.stream();
    let head = shared.log.head(&stream).await?.ok_or_else(|| not_found(id))?;
    let mut from = last_before(shared, id, head.version, tick).await?;
    loop {
        let page = shared.log.read_stream(&stream, from, BACK_PAGE, Direction::Backward).await?;
        for event in page.iter().filter(|event| &*event.kind == KEYFRAME) {
            let keyframe = Keyframe::read(&event.data)?;
            if keyframe.tick <= tick {
                let fold = Fold::at(shared, &keyframe).await?;
                let rest = Pages::new(shared.clone(), stream, event.version + 1);
                return Ok(Sought { fold, rest, block: None });
            }
        }
        match page.last() {
            Some(oldest) if oldest.version > 1 => from = oldest.version - 1,
            _ => return start(shared, id).await,
        }
    }
}

/// Folds the first record of a session.
pub(crate) async fn start(shared: &Arc<Shared>, id: &SessionId) -> Result<Sought> {
    let mut rest = Pages::new(shared.clone(), id.stream(), 1);
    let first = rest.next().await?.ok_or_else(|| not_found(id))?;
    let block = Block::read(&first.data)?;
    let fold = Fold::opening(shared, &block).await?;
    Ok(Sought { fold, rest, block: Some(block) })
}

/// The last log event that begins at or before a tick.
async fn last_before(shared: &Shared, id: &SessionId, head: Version, tick: u32) -> Result<Version> {
    let stream = id.stream();
    let (mut low, mut high) = (1, head);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let found = shared.log.read_stream(&stream, middle, 1, Direction::Forward).await?;
        let found = found.first().ok_or_else(|| damaged("an event is missing"))?;
        if tick_of(found)? <= tick {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

fn tick_of(event: &Event) -> Result<u32> {
    match &*event.kind {
        BLOCK => Ok(Block::read(&event.data)?.from_tick),
        _ => Ok(Keyframe::read(&event.data)?.tick),
    }
}
