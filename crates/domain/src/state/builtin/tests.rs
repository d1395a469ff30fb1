use super::*;
use crate::document::Rates;

const NO_TIME: Rates<'static> = Rates { allowances: &[], since_us: 0, now_us: 0 };

#[test]
fn the_types_that_ship_are_sound_and_their_defaults_fit() {
    let schemas = builtin_schemas().unwrap();
    let names: Vec<_> = schemas.iter().map(|schema| schema.type_name().as_str()).collect();
    assert_eq!(names, BUILTIN_TYPES);
    for schema in &schemas {
        let mut state = Value::empty_map();
        schema.fill_defaults(&mut state);
        assert_eq!(
            schema.check(&Value::Null, &state, &NO_TIME),
            Ok(Vec::new()),
            "{}",
            schema.type_name()
        );
        assert!(schema.declaration().builtin);
        let described = |field: &Field| !field.description.is_empty();
        assert!(schema.declaration().fields.iter().all(described));
    }
}

#[test]
fn a_player_has_the_fields_of_its_message() {
    let schemas = builtin_schemas().unwrap();
    let player = schemas.iter().find(|schema| schema.type_name().as_str() == "player").unwrap();
    let fields: Vec<_> =
        player.declaration().fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(
        fields,
        [
            "status",
            "level",
            "experience",
            "health",
            "position.x",
            "position.y",
            "position.z",
            "inventory",
            "statistics",
            "achievements",
        ]
    );
    assert_eq!(player::STATUSES[0], "offline");
}

#[test]
fn the_bank_of_a_guild_never_falls_below_nothing() {
    let schemas = builtin_schemas().unwrap();
    let guild = schemas.iter().find(|schema| schema.type_name().as_str() == "guild").unwrap();
    let bank = |gold: i32| Value::from(Map::from([("bank", Map::from([("gold", gold)]))]));
    assert_eq!(guild.check_shape(&bank(0)), Ok(()));
    assert!(guild.check_shape(&bank(-1)).is_err());
}

#[test]
fn an_ended_match_stays_ended() {
    let schemas = builtin_schemas().unwrap();
    let match_type = schemas.iter().find(|schema| schema.type_name().as_str() == "match").unwrap();
    let phase = |phase: &str| Value::from(Map::from([("phase", phase)]));
    for from in matches::PHASES {
        for to in matches::PHASES {
            let allowed = match_type.check(&phase(from), &phase(to), &NO_TIME).is_ok();
            let expected = match (from, to) {
                (from, to) if from == to => true,
                ("ended" | "cancelled", _) => false,
                (_, "cancelled") => true,
                ("lobby", "starting" | "active") | ("starting", "lobby" | "active") => true,
                ("active", "paused" | "ended") | ("paused", "active" | "ended") => true,
                _ => false,
            };
            assert_eq!(allowed, expected, "{from} {to}");
        }
    }
}
