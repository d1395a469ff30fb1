//! Players: `PlayerState` and the state of an aggregate of type `player`.

use gamemesh_contracts::state::v1::PlayerState;
use gamemesh_domain::document::{Aggregate, Map, Operation, Schema, Value};
use gamemesh_domain::{Error, Result};
use prost_types::{FieldMask, Struct};

use super::time::to_timestamp;
use super::value::{from_struct, to_struct};

/// What a mask can name, and where it lies in the state.
const FIELDS: [(&str, &str); 10] = [
    ("status", "status"),
    ("level", "level"),
    ("experience", "experience"),
    ("health", "health"),
    ("position_x", "position.x"),
    ("position_y", "position.y"),
    ("position_z", "position.z"),
    ("inventory", "inventory"),
    ("statistics", "statistics"),
    ("achievements", "achievements"),
];

pub(crate) fn to_player(id: &str, aggregate: &Aggregate) -> PlayerState {
    let state = &aggregate.state;
    let int = |name| state.child(name).and_then(Value::as_int);
    let axis = |name| {
        let number = |position: &Value| position.child(name).and_then(Value::as_f64);
        Some(state.child("position").and_then(number).unwrap_or_default())
    };
    let document = |name| Some(state.child(name).map(to_struct).unwrap_or_default());
    PlayerState {
        player_id: id.to_owned(),
        status: state.child("status").and_then(Value::as_text).unwrap_or_default().to_owned(),
        // The schema holds the level below 1,000.
        level: Some(int("level").unwrap_or_default() as i32),
        experience: Some(int("experience").unwrap_or_default()),
        health: Some(state.child("health").and_then(Value::as_f64).unwrap_or_default()),
        position_x: axis("x"),
        position_y: axis("y"),
        position_z: axis("z"),
        inventory: document("inventory"),
        statistics: document("statistics"),
        achievements: document("achievements"),
        last_updated: Some(to_timestamp(aggregate.updated_at_us)),
        version: aggregate.version as i64,
    }
}

/// The state that a message describes; what it leaves out is left out.
pub(crate) fn from_player(player: PlayerState) -> Result<Value> {
    let mut state = Map::new();
    if !player.status.is_empty() {
        state.insert("status", player.status.into());
    }
    if let Some(level) = player.level {
        state.insert("level", level.into());
    }
    if let Some(experience) = player.experience {
        let experience = Value::int(experience)
            .map_err(|error| Error::invalid("player.experience", error.message))?;
        state.insert("experience", experience);
    }
    if let Some(health) = player.health {
        state.insert("health", number("player.health", health)?);
    }
    let mut position = Map::new();
    let axes = [
        ("x", "player.positionX", player.position_x),
        ("y", "player.positionY", player.position_y),
        ("z", "player.positionZ", player.position_z),
    ];
    for (axis, field, value) in axes {
        if let Some(value) = value {
            position.insert(axis, number(field, value)?);
        }
    }
    if !position.is_empty() {
        state.insert("position", position.into());
    }
    insert(&mut state, "inventory", player.inventory)?;
    insert(&mut state, "statistics", player.statistics)?;
    insert(&mut state, "achievements", player.achievements)?;
    Ok(state.into())
}

/// Operations that bring the fields of a mask to what a state has there.
pub(crate) fn masked(mask: &FieldMask, state: &Value, schema: &Schema) -> Result<Vec<Operation>> {
    super::aggregate::masked(mask, state, &FIELDS, schema)
}

fn insert(state: &mut Map, name: &'static str, document: Option<Struct>) -> Result<()> {
    if let Some(document) = document {
        state.insert(name, from_struct(&format!("player.{name}"), document)?);
    }
    Ok(())
}

fn number(field: &str, value: f64) -> Result<Value> {
    Value::number(value).map_err(|error| Error::invalid(field, error.message))
}

#[cfg(test)]
mod tests {
    use gamemesh_domain::document::FieldPath;

    use super::*;

    fn paths(operations: &[Operation]) -> Vec<String> {
        operations.iter().map(|operation| operation.path().to_string()).collect()
    }

    #[test]
    fn a_mask_names_fields_of_the_message_and_entries_of_its_documents() {
        let schema = gamemesh_domain::state::builtin_schemas().unwrap();
        let schema = schema.into_iter().find(|s| s.type_name().as_str() == "player").unwrap();
        let player = PlayerState {
            status: "online".into(),
            position_x: Some(2.5),
            inventory: Some(Struct {
                fields: [("gold".to_owned(), prost_types::Value::from(5.0))].into(),
            }),
            ..PlayerState::default()
        };
        let state = from_player(player).unwrap();
        let mask = FieldMask {
            paths: ["status", "position_x", "inventory.gold", "inventory.wood"]
                .map(str::to_owned)
                .to_vec(),
        };
        let operations = masked(&mask, &state, &schema).unwrap();
        assert_eq!(
            paths(&operations),
            ["status", "position.x", "inventory.gold", "inventory.wood"]
        );
        assert!(matches!(operations[3], Operation::Remove { .. }));
        let unknown = FieldMask { paths: vec!["mana".into()] };
        assert!(masked(&unknown, &state, &schema).unwrap_err().message.contains("position_x"));
    }

    #[test]
    fn what_a_player_leaves_out_is_left_out() {
        let state = from_player(PlayerState::default()).unwrap();
        assert_eq!(state, Value::empty_map());
        let path: FieldPath = "position.x".parse().unwrap();
        assert_eq!(state.get(&path), None);
    }
}
