//! Worlds and plots: their documents, and how they are declared.

use std::collections::{BTreeMap, BTreeSet};

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::document::{Aggregate, Map, Value};
use gamemesh_domain::memory::{Machine, Name};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::StreamName;

use super::time::to_timestamp;
use super::value::to_struct;
use crate::game::field;

pub(crate) fn from_transitions(name: &str, declared: Option<&pb::Transitions>) -> Result<Machine> {
    let declared = declared.ok_or_else(|| Error::invalid(name, "is required"))?;
    let at = |inner: &str| format!("{name}.{inner}");
    let mut transitions: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for state in &declared.states {
        let next = state.next.iter().map(|next| Name::parse(&at("states.next"), next));
        let from = Name::parse(&at("states.name"), &state.name)?;
        if transitions.insert(from, next.collect::<Result<_>>()?).is_some() {
            return Err(Error::invalid(at("states"), format!("{}: is declared twice", state.name)));
        }
    }
    Machine::new(Name::parse(&at("initial"), &declared.initial)?, transitions)
}

/// A declaration as the document keeps it.
pub(crate) fn machine_value(machine: &Machine) -> Value {
    let names = |names: &BTreeSet<Name>| {
        Value::from(names.iter().map(|name| Value::text(name.as_str())).collect::<Vec<_>>())
    };
    let states = machine.transitions().iter().map(|(name, next)| (name.as_str(), names(next)));
    Map::from_entries(vec![
        ("initial", Value::text(machine.initial().as_str())),
        ("states", Value::Map(Map::from_entries(states.collect()))),
    ])
    .into()
}

/// The declaration that a document keeps.
pub(crate) fn machine_of(value: &Value) -> Result<Machine> {
    let damaged = || {
        Error::new(Code::DataCorrupted, "stored bytes are damaged").with_context("a declaration")
    };
    let name = |value: &Value| Name::parse("name", value.as_text().unwrap_or_default());
    let states = field(value, "states").as_map().ok_or_else(damaged)?;
    let transitions = states.iter().map(|(from, next)| {
        let next = next.as_list().unwrap_or_default().iter().map(name);
        Ok((Name::parse("name", from)?, next.collect::<Result<_>>()?))
    });
    Machine::new(name(field(value, "initial"))?, transitions.collect::<Result<_>>()?)
        .map_err(|_| damaged())
}

fn to_transitions(value: &Value) -> Option<pb::Transitions> {
    let states = field(value, "states").as_map()?;
    let texts = |value: &Value| {
        let items = value.as_list().unwrap_or_default();
        items.iter().filter_map(Value::as_text).map(ToOwned::to_owned).collect()
    };
    Some(pb::Transitions {
        initial: field(value, "initial").as_text()?.to_owned(),
        states: states
            .iter()
            .map(|(name, next)| pb::TransitionState { name: name.to_owned(), next: texts(next) })
            .collect(),
    })
}

fn legal(machine: &Value, state: &str) -> Vec<String> {
    let states = field(machine, "states");
    let next = field(states, state).as_list().unwrap_or_default();
    next.iter().filter_map(Value::as_text).map(ToOwned::to_owned).collect()
}

fn text(value: &Value, name: &str) -> String {
    field(value, name).as_text().unwrap_or_default().to_owned()
}

fn number(value: &Value, name: &str) -> f64 {
    field(value, name).as_f64().unwrap_or_default()
}

pub(crate) fn to_world(stream: &StreamName, aggregate: &Aggregate) -> pb::World {
    let state = &aggregate.state;
    let declaration = field(state, "declaration");
    let weather = text(state, "weather");
    let factions = field(state, "factions").as_map();
    let faction = |(name, faction): (&str, &Value)| pb::Faction {
        name: name.to_owned(),
        power: number(faction, "power"),
        relations: field(faction, "relations")
            .as_map()
            .into_iter()
            .flat_map(Map::iter)
            .map(|(other, relation)| pb::FactionRelation {
                faction: other.to_owned(),
                stance: text(relation, "stance"),
                standing: number(relation, "standing"),
            })
            .collect(),
    };
    pb::World {
        world_id: stream.key().to_owned(),
        game_time: field(state, "game_time").as_int().unwrap_or_default(),
        next_weathers: legal(field(declaration, "weather"), &weather),
        weather,
        factions: factions.into_iter().flat_map(Map::iter).map(faction).collect(),
        declaration: Some(pb::WorldDeclaration {
            weather: to_transitions(field(declaration, "weather")),
            stances: to_transitions(field(declaration, "stances")),
        }),
        version: aggregate.version as i64,
        updated_at: Some(to_timestamp(aggregate.updated_at_us)),
        attributes: field(state, "attributes").as_map().map(to_struct),
    }
}

pub(crate) fn to_plot(stream: &StreamName, aggregate: &Aggregate) -> pb::Plot {
    let state = &aggregate.state;
    let stage = text(state, "stage");
    let entries = |name: &str| field(state, name).as_map().into_iter().flat_map(Map::iter);
    pb::Plot {
        plot_id: stream.key().to_owned(),
        next_stages: legal(field(state, "declaration"), &stage),
        stage,
        branches: entries("branches")
            .filter_map(|(name, value)| Some((name.to_owned(), value.as_text()?.to_owned())))
            .collect(),
        flags: entries("flags")
            .filter_map(|(name, value)| Some((name.to_owned(), value.as_bool()?)))
            .collect(),
        declaration: to_transitions(field(state, "declaration")),
        version: aggregate.version as i64,
        updated_at: Some(to_timestamp(aggregate.updated_at_us)),
    }
}
