//! What happens in combat sessions, as events of matches: a session is a match.

use combat::combat_event::Event as Happened;
use gamemesh_contracts::combat::v1 as combat;
use gamemesh_domain::stats::{Data, Event, EventId, Name};
use gamemesh_domain::{Code, Error, Result};
use prost::Message as _;

use crate::convert::time;
use crate::engine::ingest::Item;

pub(super) fn items(payload: &bytes::Bytes) -> Result<Vec<Item>> {
    let malformed = |what: String| Error::new(Code::MalformedBody, what);
    let message = if payload.first() == Some(&b'{') {
        json(payload).map_err(malformed)?
    } else {
        combat::CombatEventsMessage::decode(payload.clone())
            .map_err(|error| malformed(error.to_string()))?
    };
    let session = Name::parse("sessionId", &message.session_id)?;
    let mut items = Vec::new();
    for event in message.events {
        items.extend(of_event(&session, event)?);
    }
    Ok(items)
}

fn of_event(session: &Name, event: combat::CombatEvent) -> Result<Vec<Item>> {
    let time_us = event.time.as_ref().map(time::from_timestamp).unwrap_or_default();
    let Some(happened) = event.event else { return Ok(Vec::new()) };
    let told = told(happened)?;
    Ok(told
        .into_iter()
        .enumerate()
        .map(|(index, (player, data))| {
            // Numbers of a session have no gap and no repeat; one of them may tell of several things.
            let producer = format!("combat/{session}");
            let event = Event {
                id: EventId::of_sequence(&producer, index as u32, event.seq),
                label: None,
                match_id: session.clone(),
                player,
                time_us,
                data,
                extra: Box::default(),
            };
            Item { event: event.check().map(|()| event), samplable: false, sequence: None }
        })
        .collect())
}

/// JSON of the same message, for those who chose it.
fn json(payload: &[u8]) -> Result<combat::CombatEventsMessage, String> {
    use prost_reflect::{DescriptorPool, DynamicMessage};
    static POOL: std::sync::LazyLock<Option<DescriptorPool>> =
        std::sync::LazyLock::new(|| DescriptorPool::decode(gamemesh_contracts::DESCRIPTORS).ok());
    let descriptor = POOL
        .as_ref()
        .and_then(|pool| pool.get_message_by_name("gamemesh.combat.v1.CombatEventsMessage"))
        .ok_or("the contract is not there")?;
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let message =
        DynamicMessage::deserialize(descriptor, &mut reader).map_err(|e| e.to_string())?;
    message.transcode_to().map_err(|error| error.to_string())
}

type Told = Vec<(Option<Name>, Data)>;

fn told(happened: Happened) -> Result<Told> {
    let name = |field: &str, text: &str| Name::parse_optional(field, text);
    let team = |number: u32| name("team", &team_name(number));
    let of_match = |data| Ok(vec![(None, data)]);
    match happened {
        Happened::Status(changed) => match changed.to.as_str() {
            "active" | "in_progress" | "running" | "started" => {
                of_match(Data::MatchStart { map: None, mode: None })
            }
            "ended" | "completed" | "finished" => of_match(Data::MatchEnd {
                winner: name("winner", &changed.winner)?,
                draw: changed.winner.is_empty(),
                voided: false,
                placements: Vec::new(),
            }),
            "cancelled" | "aborted" => of_match(Data::MatchEnd {
                winner: None,
                draw: false,
                voided: true,
                placements: Vec::new(),
            }),
            _ => Ok(Vec::new()),
        },
        Happened::Joined(joined) => {
            let data = Data::PlayerJoin { team: team(joined.team)? };
            Ok(vec![(name("playerId", &joined.player_id)?, data)])
        }
        Happened::Left(left) => Ok(vec![(name("playerId", &left.player_id)?, Data::PlayerLeave)]),
        Happened::Spawned(spawned) => {
            let data = objective("spawn", 0, None)?;
            Ok(vec![(name("playerId", &spawned.player_id)?, data)])
        }
        Happened::Fired(fired) => {
            let item = name("weapon", &fired.weapon)?;
            let data = Data::ItemUse { item, quantity: 0, shots: 1 };
            Ok(vec![(name("playerId", &fired.player_id)?, data)])
        }
        Happened::Damaged(damaged) => damage(&damaged),
        Happened::Died(died) => death(&died),
        Happened::Action(action) if action.phase == "completed" => {
            let data =
                Data::ItemUse { item: name("action", &action.action)?, quantity: 1, shots: 0 };
            Ok(vec![(name("playerId", &action.player_id)?, data)])
        }
        Happened::Round(round) => {
            let what = if round.began { "round_start" } else { "round_end" };
            let winner = if round.began { None } else { team(round.winner_team)? };
            of_match(objective(what, round.round, winner)?)
        }
        _ => Ok(Vec::new()),
    }
}

/// Teams have numbers there; 0 is none.
fn team_name(number: u32) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn objective(what: &str, round: u32, winner: Option<Name>) -> Result<Data> {
    Ok(Data::Objective { name: Name::parse("name", what)?, round, winner, points: 0 })
}

/// Health that was lost, and what went beyond it. Damage by nobody is the target's own.
fn damage(damaged: &combat::PlayerDamaged) -> Result<Told> {
    let target = Name::parse("targetId", &damaged.target_id)?;
    let source = Name::parse_optional("sourceId", &damaged.source_id)?;
    let points = |points: i32| Data::milli("health", f64::from(points.max(0)));
    let data = Data::Damage {
        target: Some(target.clone()),
        weapon: Name::parse_optional("cause", &damaged.cause)?,
        milli: points(damaged.health.saturating_add(damaged.overkill))?,
        headshot: damaged.part == "head",
        health_milli: Some(points(damaged.health_left.saturating_add(damaged.health))?),
        shot: Some(damaged.shot).filter(|shot| *shot > 0),
    };
    Ok(vec![(Some(source.unwrap_or(target)), data)])
}

fn death(died: &combat::PlayerDied) -> Result<Told> {
    let victim = Name::parse("playerId", &died.player_id)?;
    let killer = Name::parse_optional("killerId", &died.killer_id)?;
    let weapon = Name::parse_optional("cause", &died.cause)?;
    let first = match killer.filter(|killer| *killer != victim) {
        Some(killer) => {
            let data = Data::Kill { victim: Some(victim.clone()), weapon, headshot: died.headshot };
            (Some(killer), data)
        }
        None => (Some(victim.clone()), Data::Death { killer: None, weapon }),
    };
    let mut told = vec![first];
    for assist in &died.assist_ids {
        let data = Data::Assist { victim: Some(victim.clone()) };
        told.push((Some(Name::parse("assistIds", assist)?), data));
    }
    Ok(told)
}
