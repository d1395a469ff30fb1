//! A session folded again and compared with its record.

use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::combat::{Event, Session};

use super::seek::start;
use crate::edge::Shared;
use crate::ids::SessionId;
use crate::recover::Fold;
use crate::stored::{BLOCK, Block, KEYFRAME, Keyframe};

/// Folds the whole log of a session and compares every state hash and every keyframe.
pub(crate) async fn verify(
    shared: &Arc<Shared>,
    id: &SessionId,
) -> Result<pb::VerifyReplayResponse> {
    let sought = start(shared, id).await?;
    let (mut fold, mut rest) = (sought.fold, sought.rest);
    let mut found = pb::VerifyReplayResponse {
        content_hash: fold.state.created.content.to_string(),
        ..pb::VerifyReplayResponse::default()
    };
    if let Some(block) = &sought.block {
        take_block(&mut fold, block, &mut found)?;
    }
    while found.divergence.is_none() {
        let Some(event) = rest.next().await? else { break };
        match &*event.kind {
            BLOCK => take_block(&mut fold, &Block::read(&event.data)?, &mut found)?,
            KEYFRAME => compare_keyframe(&fold.state, &Keyframe::read(&event.data)?, &mut found)?,
            _ => {}
        }
    }
    found.ticks = fold.state.tick.0;
    found.whole = fold.state.status.is_over();
    found.agrees = found.divergence.is_none();
    Ok(found)
}

fn take_block(fold: &mut Fold, block: &Block, found: &mut pb::VerifyReplayResponse) -> Result<()> {
    let mut hashes = block.hashes.iter().peekable();
    for record in block.records() {
        let record = record?;
        if record.number <= fold.state.version {
            continue;
        }
        found.commands += u64::from(is_input(&record.event));
        if let Err(error) = fold.state.apply(&record) {
            diverges(found, record.tick.0, "records", &error.to_string(), "cannot follow");
            return Ok(());
        }
        let version = fold.state.version;
        while hashes.next_if(|hash| hash.after < version).is_some() {}
        if let Some(hash) = hashes.next_if(|hash| hash.after == version) {
            found.hashes += 1;
            let folded = fold.state.state_hash();
            if folded.0[..] != hash.hash[..] {
                let recorded = hex(&hash.hash);
                diverges(found, hash.tick, "state_hash", &recorded, &folded.to_string());
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether a record is of a player's command.
fn is_input(event: &Event) -> bool {
    matches!(
        event,
        Event::Moved(_)
            | Event::Corrected(_)
            | Event::Fired(_)
            | Event::ShotRefused(_)
            | Event::Acted(_)
            | Event::ActionRefused(_)
    )
}

fn compare_keyframe(
    folded: &Session,
    keyframe: &Keyframe,
    found: &mut pb::VerifyReplayResponse,
) -> Result<()> {
    found.keyframes += 1;
    if folded.version != keyframe.after {
        let (recorded, folded) = (keyframe.after.to_string(), folded.version.to_string());
        diverges(found, keyframe.tick, "version", &recorded, &folded);
        return Ok(());
    }
    let recorded = keyframe.session()?;
    if let Some((field, recorded, folded)) = first_difference(&recorded, folded) {
        diverges(found, keyframe.tick, &field, &recorded, &folded);
    }
    Ok(())
}

/// The first field in which two states differ, with both values.
fn first_difference(recorded: &Session, folded: &Session) -> Option<(String, String, String)> {
    if recorded == folded {
        return None;
    }
    let (recorded, folded) = (format!("{recorded:#?}"), format!("{folded:#?}"));
    let mut path: Vec<(usize, String)> = Vec::new();
    for (left, right) in recorded.lines().zip(folded.lines()) {
        let indent = left.len() - left.trim_start().len();
        let name = left.trim().split([':', ' ', '(']).next().unwrap_or_default().to_owned();
        path.retain(|(depth, _)| *depth < indent);
        path.push((indent, name));
        if left != right {
            let names = path.iter().skip(1).map(|(_, name)| name.as_str());
            let field = names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(".");
            return Some((field, left.trim().to_owned(), right.trim().to_owned()));
        }
    }
    Some(("length".to_owned(), recorded.len().to_string(), folded.len().to_string()))
}

fn diverges(
    found: &mut pb::VerifyReplayResponse,
    tick: u32,
    field: &str,
    recorded: &str,
    folded: &str,
) {
    found.divergence = Some(pb::Divergence {
        tick,
        field: field.to_owned(),
        recorded: recorded.to_owned(),
        folded: folded.to_owned(),
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
