//! Events for tests.

use gamemesh_contracts::stats::v1 as pb;
use pb::match_event::Data;
use serde_json::{Value, json};

pub(super) const BEGIN_S: i64 = 1_767_225_600;

pub(super) fn kill(match_id: &str, id: &str, at_s: i64, player: &str, victim: &str) -> Value {
    json!({
        "event_id": id, "match_id": match_id, "player_id": player, "event_type": "kill",
        "timestamp": (BEGIN_S + at_s) * 1_000, "event_data": {"victim_id": victim, "weapon": "bow"},
    })
}

pub(super) fn end(match_id: &str, id: &str, at_s: i64, winner: &str) -> Value {
    json!({
        "event_id": id, "match_id": match_id, "event_type": "match_end",
        "timestamp": (BEGIN_S + at_s) * 1_000, "event_data": {"winner": winner},
    })
}

/// The same as a message, with a place in a sequence instead of an id.
pub(super) fn placed(match_id: &str, at_s: i64, player: &str, victim: &str) -> pb::MatchEvent {
    pb::MatchEvent {
        match_id: match_id.to_owned(),
        player_id: player.to_owned(),
        timestamp: Some(prost_types::Timestamp { seconds: BEGIN_S + at_s, nanos: 0 }),
        data: Some(Data::Kill(pb::Kill { victim_id: victim.to_owned(), ..Default::default() })),
        ..Default::default()
    }
}

pub(super) fn batch(
    producer: &str,
    first: u64,
    events: Vec<pb::MatchEvent>,
) -> pb::IngestChannelRequest {
    pb::IngestChannelRequest {
        events,
        producer_id: producer.to_owned(),
        epoch: 1,
        first_sequence: first,
    }
}
