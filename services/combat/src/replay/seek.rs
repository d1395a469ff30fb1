//! To any moment of a session: by halves to the keyframe, and forward from there.

use std::sync::Arc;

use gamemesh_domain::Result;
use gamemesh_repository::{Direction, Version};

use super::Pages;
use crate::edge::Shared;
use crate::ids::SessionId;
use crate::recover::{Fold, not_found};
use crate::stored::{Block, KEYFRAME, Keyframe};

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
    seek_by(shared, id, |keyframe| Ok(keyframe.tick <= tick)).await
}

/// Folds a session up to the last keyframe that is still before something; from its start if none is.
/// Reads the keyframes of a binary search, and what is between two of them.
pub(crate) async fn seek_by(
    shared: &Arc<Shared>,
    id: &SessionId,
    is_before: impl Fn(&Keyframe) -> Result<bool>,
) -> Result<Sought> {
    let stream = id.stream();
    let head = shared.log.head(&stream).await?.ok_or_else(|| not_found(id))?;
    let (mut low, mut high) = (0, head.version);
    let mut found = None;
    // A keyframe at or below `low` is before it, and one above `high` is not.
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match keyframe_at_or_below(shared, id, middle, low).await? {
            // Between the two there is none: look above.
            None => low = middle,
            Some((version, keyframe)) if is_before(&keyframe)? => {
                found = Some((version, keyframe));
                low = middle;
            }
            Some((version, _)) => high = version - 1,
        }
    }
    let Some((version, keyframe)) = found else { return start(shared, id).await };
    let fold = Fold::at(shared, &keyframe).await?;
    let rest = Pages::new(shared.clone(), stream, version + 1);
    Ok(Sought { fold, rest, block: None })
}

/// The last keyframe at or below a version and above another.
async fn keyframe_at_or_below(
    shared: &Shared,
    id: &SessionId,
    version: Version,
    above: Version,
) -> Result<Option<(Version, Keyframe)>> {
    let (stream, mut from) = (id.stream(), version);
    while from > above {
        let page = shared.log.read_stream(&stream, from, BACK_PAGE, Direction::Backward).await?;
        for event in page.iter().take_while(|event| event.version > above) {
            if &*event.kind == KEYFRAME {
                return Ok(Some((event.version, Keyframe::read(&event.data)?)));
            }
        }
        match page.last() {
            Some(oldest) => from = oldest.version - 1,
            None => break,
        }
    }
    Ok(None)
}

/// Folds the first record of a session.
pub(crate) async fn start(shared: &Arc<Shared>, id: &SessionId) -> Result<Sought> {
    let mut rest = Pages::new(shared.clone(), id.stream(), 1);
    let first = rest.next().await?.ok_or_else(|| not_found(id))?;
    let block = Block::read(&first.data)?;
    let fold = Fold::opening(shared, &block).await?;
    Ok(Sought { fold, rest, block: Some(block) })
}
