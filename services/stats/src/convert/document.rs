//! Events as JSON: bodies of REST and messages of the bus.

use gamemesh_domain::document::parse_timestamp;
use gamemesh_domain::stats::{Data, Event, Kind, Name, Placement};
use gamemesh_domain::{Error, Result};
use serde_json::{Map, Value};

use super::event::Place;

type Object = Map<String, Value>;

/// An event of T1's form: `event_id`, `match_id`, `player_id`, `event_type`, `timestamp`, `event_data`.
/// Names may also be in camel case, the timestamp in milliseconds since 1970.
pub(crate) fn event(mut object: Object, place: Option<&Place>) -> Result<Event> {
    let kind = Kind::parse(text(&object, "event_type")?.unwrap_or_default())?;
    let free = match take(&mut object, "event_data") {
        Some(Value::Object(free)) => free,
        None | Some(Value::Null) => match take(&mut object, kind.name()) {
            Some(Value::Object(typed)) => typed,
            _ => Map::new(),
        },
        Some(_) => return Err(Error::invalid("eventData", "accepts an object")),
    };
    let (id, label) = super::event::id(text(&object, "event_id")?.unwrap_or_default(), place)?;
    let event = Event {
        id,
        label,
        match_id: Name::parse("matchId", text(&object, "match_id")?.unwrap_or_default())?,
        player: optional(&object, "player_id", "playerId")?,
        time_us: timestamp(get(&object, "timestamp"))?,
        data: data(kind, &free)?,
        extra: extra(free)?,
    };
    event.check()?;
    Ok(event)
}

/// Whether the event may be left out under overload.
pub(crate) fn is_samplable(object: &Object) -> bool {
    matches!(get(object, "samplable"), Some(Value::Bool(true)))
}

/// What the producer said beside or instead of the typed data.
pub(crate) fn extra(free: Object) -> Result<Box<[u8]>> {
    if free.is_empty() {
        return Ok(Box::default());
    }
    let text = serde_json::to_vec(&Value::Object(free)).map_err(Error::internal)?;
    Ok(text.into())
}

/// The typed data of a kind, by its names in an object.
pub(crate) fn data(kind: Kind, object: &Object) -> Result<Data> {
    let name = |field: &'static str| optional(object, field, field);
    let flag = |field: &'static str| match get(object, field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Error::invalid(field, "accepts true and false")),
    };
    let count = |field: &'static str, default: u32| match get(object, field) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => whole(value)
            .and_then(|value| u32::try_from(value).ok())
            .ok_or_else(|| Error::invalid(field, "accepts whole numbers from 0 to 4294967295")),
    };
    let number = |field: &'static str| match get(object, field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(_) => Err(Error::invalid(field, "accepts a number")),
    };
    Ok(match kind {
        Kind::MatchStart => Data::MatchStart { map: name("map")?, mode: name("mode")? },
        Kind::MatchEnd => Data::MatchEnd {
            winner: name("winner")?,
            draw: flag("draw")?,
            voided: flag("voided")?,
            placements: placements(get(object, "placements"))?,
        },
        Kind::PlayerJoin => Data::PlayerJoin { team: name("team")? },
        Kind::PlayerLeave => Data::PlayerLeave,
        Kind::Kill => Data::Kill {
            victim: name("victim_id")?,
            weapon: name("weapon")?,
            headshot: flag("headshot")?,
        },
        Kind::Death => Data::Death { killer: name("killer_id")?, weapon: name("weapon")? },
        Kind::Assist => Data::Assist { victim: name("victim_id")? },
        Kind::Damage => Data::Damage {
            target: name("target_id")?,
            weapon: name("weapon")?,
            milli: Data::milli("amount", number("amount")?.unwrap_or_default())?,
            headshot: flag("headshot")?,
            health_milli: number("target_health")?
                .map(|health| Data::milli("targetHealth", health))
                .transpose()?,
            shot: match get(object, "shot_id") {
                None | Some(Value::Null) => None,
                Some(value) => Some(whole(value).ok_or_else(|| {
                    Error::invalid("shotId", "accepts whole numbers from 0 to 2^64 − 1")
                })?),
            },
        },
        Kind::Position => {
            let place = |field| Data::mm(field, number(field)?.unwrap_or_default());
            Data::Position { mm: [place("x")?, place("y")?, place("z")?] }
        }
        Kind::ItemUse => Data::ItemUse {
            item: name("item")?,
            quantity: count("quantity", 1)?,
            shots: count("shots", 0)?,
        },
        Kind::Objective => Data::Objective {
            name: name("name")?.ok_or_else(|| Error::invalid("name", "is required"))?,
            round: count("round", 0)?,
            winner: name("winner")?,
            points: count("points", 0)?,
        },
    })
}

fn placements(value: Option<&Value>) -> Result<Vec<Placement>> {
    let wrong = || Error::invalid("placements", "accepts a list of {name, place}");
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list
            .iter()
            .map(|entry| {
                let entry = entry.as_object().ok_or_else(wrong)?;
                let name = optional(entry, "name", "placements")?.ok_or_else(wrong)?;
                let place = get(entry, "place").and_then(whole).and_then(|p| u32::try_from(p).ok());
                Ok(Placement { name, place: place.filter(|place| *place > 0).ok_or_else(wrong)? })
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}

fn timestamp(value: Option<&Value>) -> Result<i64> {
    let wrong = || {
        Error::invalid(
            "timestamp",
            "accepts RFC 3339, or milliseconds since 1970 as a whole number",
        )
    };
    match value {
        Some(Value::String(text)) => parse_timestamp(text).ok_or_else(wrong),
        Some(Value::Number(number)) => {
            number.as_i64().and_then(|ms| ms.checked_mul(1_000)).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// A whole number, also as a text, as proto3 JSON writes the large ones.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn optional(object: &Object, name: &str, field: &str) -> Result<Option<Name>> {
    Name::parse_optional(field, text(object, name)?.unwrap_or_default())
}

fn text<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>> {
    match get(object, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(camel(name), "accepts text")),
    }
}

fn get<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| if name.contains('_') { object.get(&camel(name)) } else { None })
}

fn take(object: &mut Object, name: &str) -> Option<Value> {
    object.remove(name).or_else(|| object.remove(&camel(name)))
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (head, tail) = part.split_at(part.len().min(1));
        camel.push_str(&head.to_uppercase());
        camel.push_str(tail);
    }
    camel
}
