use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::document::{Map, Value, merge_patch};
use gamemesh_domain::memory::{Machine, Name};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::caller::Caller;

use crate::convert::value::from_struct;
use crate::convert::world::{machine_of, to_world};
use crate::game::{Document, Game, WORLD, field, metadata};

const FACTIONS_MAX: usize = 1_000;
const POWER_MAX: f64 = 1_000_000.0;
const STANDING_MAX: f64 = 100.0;

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::UpdateWorldRequest,
) -> Result<pb::UpdateWorldResponse> {
    let idempotency = caller.idempotency("UpdateWorld", &request.idempotency_key, &request)?;
    let stream = game.stream(WORLD, "worldId", &request.world_id)?;
    if request.factions.len() > FACTIONS_MAX {
        return Err(Error::invalid("factions", format!("accepts at most {FACTIONS_MAX}")));
    }
    let attributes = match request.attributes.clone() {
        Some(patch) => Some(Value::Map(from_struct("attributes", patch)?)),
        None => None,
    };
    let document = Document {
        stream: stream.clone(),
        expected: caller.expectation(request.expected_version, false)?,
        idempotency,
        metadata: metadata(&caller)?,
        create: false,
    };
    let decided =
        game.decide(document, |state| update(state, &request, attributes.as_ref())).await?;
    Ok(pb::UpdateWorldResponse { world: Some(to_world(&stream, &decided.after)) })
}

fn update(
    state: &Value,
    request: &pb::UpdateWorldRequest,
    attributes: Option<&Value>,
) -> Result<Option<Value>> {
    let mut after = state.as_map().cloned().unwrap_or_default();
    let declaration = field(state, "declaration");
    if let Some(time) = request.game_time {
        let now = field(state, "game_time").as_int().unwrap_or_default();
        if time < now {
            let message = format!("the game's time is {now}, and does not go back to {time}");
            return Err(Error::new(Code::OperationRefused, message).with_fact("gameTime", now));
        }
        after.insert("game_time", Value::int(time)?);
    }
    if !request.weather.is_empty() {
        let machine = machine_of(field(declaration, "weather"))?;
        let to = Name::parse("weather", &request.weather)?;
        machine.step(&name_of(field(state, "weather"))?, &to)?;
        after.insert("weather", Value::text(to.as_str()));
    }
    let mut factions = field(state, "factions").as_map().cloned().unwrap_or_default();
    if !request.factions.is_empty() {
        let stances = machine_of(field(declaration, "stances"))?;
        for faction in &request.factions {
            let name = Name::parse("factions.name", &faction.name)?;
            let present = factions.get(name.as_str()).cloned().unwrap_or_default();
            factions.insert(name.as_str(), set_faction(&present, faction, &stances)?);
        }
        if factions.len() > FACTIONS_MAX {
            return Err(Error::invalid("factions", format!("a world has at most {FACTIONS_MAX}")));
        }
        after.insert("factions", factions.into());
    }
    if let Some(patch) = attributes {
        let mut merged = field(state, "attributes").clone();
        merge_patch(&mut merged, patch.clone());
        after.insert("attributes", merged);
    }
    Ok((Value::Map(after.clone()) != *state).then(|| after.into()))
}

fn set_faction(present: &Value, faction: &pb::Faction, stances: &Machine) -> Result<Value> {
    let bounded = |name: &str, number: f64, max: f64| match number.abs() <= max {
        true => Value::number(number),
        false => Err(Error::invalid(name, format!("accepts −{max} to {max}"))),
    };
    let mut relations = field(present, "relations").as_map().cloned().unwrap_or_default();
    for relation in &faction.relations {
        let other = Name::parse("factions.relations.faction", &relation.faction)?;
        let to = Name::parse("factions.relations.stance", &relation.stance)?;
        let before = relations.get(other.as_str()).map(|relation| field(relation, "stance"));
        let from = match before {
            Some(stance) => name_of(stance)?,
            // Factions that have not met stand to each other as it begins.
            None => stances.initial().clone(),
        };
        stances.step(&from, &to)?;
        let standing = bounded("factions.relations.standing", relation.standing, STANDING_MAX)?;
        let entries = vec![("stance", Value::text(to.as_str())), ("standing", standing)];
        relations.insert(other.as_str(), Map::from_entries(entries).into());
    }
    let power = bounded("factions.power", faction.power, POWER_MAX)?;
    let entries = vec![("power", power), ("relations", Value::Map(relations))];
    Ok(Map::from_entries(entries).into())
}

fn name_of(value: &Value) -> Result<Name> {
    Name::parse("state", value.as_text().unwrap_or_default())
}
