//! What is stored, read and updated in the measurements.

use gamemesh_client::v1::operation::Kind;
use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::v1::{
    IncrementOperation, Operation, Operations, PlayerState, UpdateAggregateRequest,
};
use serde_json::json;

use crate::json;

/// A player of ordinary size: about half a kilobyte.
pub(crate) fn player(id: &str) -> PlayerState {
    let inventory = json!({
        "gold": 1250, "gems": 12, "sword_iron": 1, "shield_oak": 1, "potion_health": 7,
        "arrow": 180, "bow_long": 1, "torch": 4, "rope": 2, "key_cellar": 1,
    });
    let statistics = json!({
        "kills": 431, "deaths": 122, "assists": 260, "matches": 88, "wins": 51, "playtime_s": 190_230,
    });
    let achievements = json!({"first_blood": true, "pacifist": false, "explorer": true});
    PlayerState {
        player_id: id.to_owned(),
        status: "online".into(),
        level: Some(37),
        experience: Some(182_340),
        health: Some(92.5),
        position_x: Some(104.25),
        position_y: Some(12.0),
        position_z: Some(-340.75),
        inventory: Some(json::to_struct(inventory)),
        statistics: Some(json::to_struct(statistics)),
        achievements: Some(json::to_struct(achievements)),
        ..Default::default()
    }
}

/// An update as a game server makes them by the thousand: a counter goes up.
pub(crate) fn update(id: String) -> UpdateAggregateRequest {
    let increment =
        IncrementOperation { path: "statistics.kills".into(), by: 1.0, ..Default::default() };
    UpdateAggregateRequest {
        r#type: "player".into(),
        id,
        change: Some(Change::Operations(Operations {
            operations: vec![Operation { kind: Some(Kind::Increment(increment)) }],
        })),
        create_missing: true,
        result_only: true,
        ..Default::default()
    }
}

/// As many bytes as the event of such an update takes in the log, metadata included.
pub(crate) const EVENT_BYTES: usize = 128;
