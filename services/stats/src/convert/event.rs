//! Events as messages of the contract.

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::stats::{Data, Event, EventId, Kind, Name, Placement};
use gamemesh_domain::{Error, Result};
use pb::match_event::Data as Typed;

use super::{document, json, time};

/// A place in a producer's sequence.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) producer: String,
    pub(crate) epoch: u32,
    pub(crate) sequence: u64,
}

/// The id of an event: its own, or its place.
pub(crate) fn id(text: &str, place: Option<&Place>) -> Result<(EventId, Option<Name>)> {
    match place {
        Some(place) if text.is_empty() => {
            Ok((EventId::of_sequence(&place.producer, place.epoch, place.sequence), None))
        }
        _ => {
            let (id, label) = EventId::parse(text)?;
            let label = label.map(|label| Name::parse("eventId", label)).transpose()?;
            Ok((id, label))
        }
    }
}

/// The message without its id, which stands beside it.
pub(crate) fn from_wire(event: pb::MatchEvent, id: &str, place: Option<&Place>) -> Result<Event> {
    let (id, label) = self::id(id, place)?;
    let match_id = Name::parse("matchId", &event.match_id)?;
    let player = Name::parse_optional("playerId", &event.player_id)?;
    let timestamp = event.timestamp.ok_or_else(|| Error::invalid("timestamp", "is required"))?;
    let free = event.event_data.map(json::object).unwrap_or_default();
    let data = match event.data {
        Some(typed) => {
            let data = typed_data(typed)?;
            if !event.event_type.is_empty() && event.event_type != data.kind().name() {
                return Err(Error::invalid("eventType", "is not that of the typed data"));
            }
            data
        }
        None => document::data(Kind::parse(&event.event_type)?, &free)?,
    };
    let time_us = time::from_timestamp(&timestamp);
    let extra = document::extra(free)?;
    let event = Event { id, label, match_id, player, time_us, data, extra };
    event.check()?;
    Ok(event)
}

fn typed_data(typed: Typed) -> Result<Data> {
    let name = |field: &str, text: &str| Name::parse_optional(field, text);
    Ok(match typed {
        Typed::PlayerJoin(join) => Data::PlayerJoin { team: name("team", &join.team)? },
        Typed::PlayerLeave(_) => Data::PlayerLeave,
        Typed::Kill(kill) => Data::Kill {
            victim: name("victimId", &kill.victim_id)?,
            weapon: name("weapon", &kill.weapon)?,
            headshot: kill.headshot,
        },
        Typed::Death(death) => Data::Death {
            killer: name("killerId", &death.killer_id)?,
            weapon: name("weapon", &death.weapon)?,
        },
        Typed::Assist(assist) => Data::Assist { victim: name("victimId", &assist.victim_id)? },
        Typed::Damage(damage) => Data::Damage {
            target: name("targetId", &damage.target_id)?,
            weapon: name("weapon", &damage.weapon)?,
            milli: Data::milli("amount", damage.amount)?,
            headshot: damage.headshot,
            health_milli: damage
                .target_health
                .map(|health| Data::milli("targetHealth", health))
                .transpose()?,
            shot: damage.shot_id,
        },
        Typed::Position(place) => Data::Position {
            mm: [Data::mm("x", place.x)?, Data::mm("y", place.y)?, Data::mm("z", place.z)?],
        },
        Typed::ItemUse(used) => Data::ItemUse {
            item: name("item", &used.item)?,
            quantity: used.quantity.unwrap_or(1),
            shots: used.shots,
        },
        Typed::Objective(objective) => Data::Objective {
            name: Name::parse("name", &objective.name)?,
            round: objective.round,
            winner: name("winner", &objective.winner)?,
            points: objective.points,
        },
        Typed::MatchStart(start) => {
            Data::MatchStart { map: name("map", &start.map)?, mode: name("mode", &start.mode)? }
        }
        Typed::MatchEnd(end) => Data::MatchEnd {
            winner: name("winner", &end.winner)?,
            draw: end.draw,
            voided: end.voided,
            placements: end
                .placements
                .into_iter()
                .map(|placement| {
                    let place = Some(placement.place).filter(|place| *place > 0);
                    Ok(Placement {
                        name: Name::parse("placements", &placement.name)?,
                        place: place.ok_or_else(|| {
                            Error::invalid("placements", "accepts places from 1 on")
                        })?,
                    })
                })
                .collect::<Result<_>>()?,
        },
    })
}
