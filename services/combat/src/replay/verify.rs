//! A session folded again and compared with its record.

use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::combat::{Difference, Event, Record, Session};

use super::seek::start;
use crate::edge::Shared;
use crate::ids::SessionId;
use crate::recover::Fold;
use crate::stored::{BLOCK, Block, KEYFRAME, Keyframe};

/// Folds the whole log of a session, judges its commands again, and compares every record, every state
/// hash and every keyframe.
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
    let mut judged = fold.state.clone();
    let mut keyframe = None;
    if let Some(block) = &sought.block {
        judge_block(&mut judged, &fold, block, &mut found)?;
        take_block(&mut fold, block, &mut keyframe, &mut found)?;
    }
    while found.divergence.is_none() {
        let Some(event) = rest.next().await? else { break };
        match &*event.kind {
            BLOCK => {
                let block = Block::read(&event.data)?;
                judge_block(&mut judged, &fold, &block, &mut found)?;
                take_block(&mut fold, &block, &mut keyframe, &mut found)?;
            }
            KEYFRAME => {
                keyframe = Some(Keyframe::read(&event.data)?);
                compare_keyframe(&fold.state, &mut keyframe, &mut found)?;
            }
            _ => {}
        }
    }
    found.ticks = fold.state.tick.0;
    found.whole = fold.state.status.is_over();
    found.agrees = found.divergence.is_none();
    Ok(found)
}

/// Judges the commands behind a block's records again.
fn judge_block(
    judged: &mut Session,
    fold: &Fold,
    block: &Block,
    found: &mut pb::VerifyReplayResponse,
) -> Result<()> {
    let records: Vec<Record> = block.records().collect::<Result<_>>()?;
    let known = records.partition_point(|record| record.number <= judged.version);
    if let Err(difference) = judged.verify(&fold.content, &records[known..]) {
        let Difference { tick, field, recorded, judged, .. } = *difference;
        diverges(found, tick.0, &field, &recorded, &judged);
    }
    Ok(())
}

fn take_block(
    fold: &mut Fold,
    block: &Block,
    keyframe: &mut Option<Keyframe>,
    found: &mut pb::VerifyReplayResponse,
) -> Result<()> {
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
        compare_keyframe(&fold.state, keyframe, found)?;
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

/// Compares the state with a keyframe, once it has come to it.
fn compare_keyframe(
    folded: &Session,
    keyframe: &mut Option<Keyframe>,
    found: &mut pb::VerifyReplayResponse,
) -> Result<()> {
    let Some(reached) = keyframe.take_if(|keyframe| keyframe.after <= folded.version) else {
        return Ok(());
    };
    found.keyframes += 1;
    if folded.version != reached.after {
        let (recorded, folded) = (reached.after.to_string(), folded.version.to_string());
        diverges(found, reached.tick, "version", &recorded, &folded);
        return Ok(());
    }
    let recorded = reached.session()?;
    if let Some((field, recorded, folded)) = recorded.difference(folded) {
        diverges(found, reached.tick, &field, &recorded, &folded);
    }
    Ok(())
}

/// Notes a difference; the first one counts.
fn diverges(
    found: &mut pb::VerifyReplayResponse,
    tick: u32,
    field: &str,
    recorded: &str,
    folded: &str,
) {
    found.divergence.get_or_insert(pb::Divergence {
        tick,
        field: field.to_owned(),
        recorded: recorded.to_owned(),
        folded: folded.to_owned(),
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
