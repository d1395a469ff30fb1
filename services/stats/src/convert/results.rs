//! What became of events, for their producers.

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Detail;

use crate::engine::ingest::Outcome;

/// Counts outcomes.
pub(crate) fn tally(into: &mut pb::EventTally, outcomes: &[Outcome]) {
    for outcome in outcomes {
        match outcome {
            Outcome::Counted => into.counted += 1,
            Outcome::Late => {
                into.counted += 1;
                into.late += 1;
            }
            Outcome::Duplicate => into.duplicates += 1,
            Outcome::Conflict => into.conflicts += 1,
            Outcome::Refused(_) => into.refused += 1,
            Outcome::Shed => into.shed += 1,
        }
    }
}

/// The result of one event; `index` is its place in the request.
pub(crate) fn result(index: u64, event_id: &str, outcome: &Outcome) -> pb::EventResult {
    let status = match outcome {
        Outcome::Counted => pb::EventStatus::Counted,
        Outcome::Late => pb::EventStatus::Late,
        Outcome::Duplicate => pb::EventStatus::Duplicate,
        Outcome::Conflict => pb::EventStatus::Conflict,
        Outcome::Refused(_) => pb::EventStatus::Refused,
        Outcome::Shed => pb::EventStatus::Shed,
    };
    let mut result = pb::EventResult {
        index,
        status: status.into(),
        event_id: event_id.chars().take(128).collect(),
        ..pb::EventResult::default()
    };
    if let Outcome::Refused(error) = outcome {
        result.reason = error.code.reason().to_owned();
        result.message.clone_from(&error.message);
        result.field = error
            .details
            .iter()
            .find_map(|detail| match detail {
                Detail::Field { field, .. } => Some(field.clone()),
                Detail::Fact { .. } | Detail::RetryAfter(_) => None,
            })
            .unwrap_or_default();
    }
    result
}

/// Whether a producer has to look at it.
pub(crate) fn is_problem(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Counted | Outcome::Late)
}
