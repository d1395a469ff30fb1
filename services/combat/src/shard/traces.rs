//! What a trace shows of a command beyond the call that brought it: its judgement, the pictures that tell
//! of it, and the block that keeps it.
//!
//! Where nobody collects spans these are disabled, and cost one comparison.

use gamemesh_rpc::telemetry::{RPC_TARGET, part_of};
use gamemesh_rpc::trace::Correlation;
use tracing::{Span, info_span};

use crate::ids::SessionId;

/// Commands whose traces one tick, or one block, is shown in.
pub(super) const CAUSES_MAX: usize = 8;

/// The judgement of a command, and the call as seen from within it.
pub(super) fn judgement(
    session: &SessionId,
    kind: &'static str,
    call: Option<&Correlation>,
) -> (Span, Option<Correlation>) {
    let Some(call) = call else { return (Span::none(), None) };
    let span = info_span!(target: RPC_TARGET, "combat.judge", %session, kind);
    let within = part_of(&span, call).unwrap_or_else(|| call.clone());
    (span, Some(within))
}

/// The pictures of a tick in which others are told of these commands.
pub(super) fn fan_out(session: &SessionId, tick: u32, causes: &[Correlation]) -> Vec<Span> {
    let span = |call| {
        let clients = tracing::field::Empty;
        let span = info_span!(target: RPC_TARGET, "combat.fan_out", %session, tick, clients);
        part_of(&span, call).map(|_| span)
    };
    causes.iter().filter_map(span).collect()
}

/// A block of the log, from its append to the answer.
pub(super) fn block(session: &SessionId, last: u64, causes: &[Correlation]) -> Vec<Span> {
    let span = |call| {
        let span = info_span!(target: RPC_TARGET, "combat.append", %session, last_record = last);
        part_of(&span, call).map(|_| span)
    };
    causes.iter().filter_map(span).collect()
}
