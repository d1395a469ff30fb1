//! Verdicts of the rules as the contract has them.

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{
    ActionEvidence, Evidence, MoveEvidence, Outcome, Reason, ShotEvidence, Verdict,
};

use super::{Named, signed};

/// A verdict with its evidence. `kind` and `number` are those of the command.
pub(crate) fn of(
    named: Named<'_>,
    player_id: &str,
    kind: &str,
    number: u64,
    verdict: &Verdict,
) -> pb::Verdict {
    let mut judged = pb::Verdict {
        player_id: player_id.to_owned(),
        kind: kind.to_owned(),
        number,
        tick: named.state.tick.0,
        accepted: verdict.reason.is_accepted(),
        reason: verdict.reason.name().to_owned(),
        message: message(verdict.reason).to_owned(),
        ..pb::Verdict::default()
    };
    match &verdict.evidence {
        Evidence::None => {}
        Evidence::Status(status) => judged.message = format!("the session is {}", status.name()),
        Evidence::Seat(seat) => {
            judged.evidence = vec![
                value("seat", i64::from(seat.player.0), ""),
                value("team", i64::from(seat.team.0), ""),
            ];
        }
        Evidence::Move(evidence) => judged.evidence = moved(evidence),
        Evidence::Shot(evidence) => {
            judged.evidence = shot(evidence);
            judged.hit = hit(named, evidence);
            if let Some(first) = evidence.first {
                // A repetition has the first answer.
                first_answer(&mut judged, first);
            }
        }
        Evidence::Action(evidence) => {
            judged.evidence = action(evidence);
            judged.ready_at_tick = Some(evidence.ready_at.0);
            if let Some(first) = evidence.first {
                first_answer(&mut judged, first);
            }
        }
        Evidence::Ready(tick) => judged.ready_at_tick = Some(tick.0),
    }
    judged
}

/// A judgement that was made before the rules were asked.
pub(crate) fn refused(
    named: Named<'_>,
    player_id: &str,
    kind: &str,
    number: u64,
    reason: Reason,
    what: &str,
) -> pb::Verdict {
    let mut judged = of(named, player_id, kind, number, &Verdict::of(reason));
    what.clone_into(&mut judged.message);
    judged
}

fn first_answer(judged: &mut pb::Verdict, first: Reason) {
    judged.accepted = first.is_accepted();
    first.name().clone_into(&mut judged.reason);
    message(first).clone_into(&mut judged.message);
}

fn value(name: &str, value: i64, unit: &str) -> pb::Evidence {
    pb::Evidence { name: name.to_owned(), value, unit: unit.to_owned() }
}

const LENGTH: &str = "1/1024 m";
const VIEW: &str = "1/256 tick";

fn moved(e: &MoveEvidence) -> Vec<pb::Evidence> {
    let mut list = vec![
        value("client_delta", e.client_delta_us, "us"),
        value("arrival_delta", e.arrival_delta_us, "us"),
        value("late", e.late_us, "us"),
        value("ahead", e.ahead_us, "us"),
        value("ahead_max", e.ahead_max_us, "us"),
        value("distance", e.distance_q, LENGTH),
        value("distance_max", e.distance_max_q, LENGTH),
        value("burst_left", e.burst_left_q, LENGTH),
        value("speed_max", i64::from(e.speed_max_q_per_s), "1/1024 m/s"),
        value("rise", i64::from(e.rise_q), LENGTH),
        value("rise_max", i64::from(e.rise_max_q), LENGTH),
        value("acceleration", e.acceleration_q_per_s2, "1/1024 m/s2"),
        value("suspicion", i64::from(e.suspicion_milli), "1/1000"),
        value("correction", i64::from(e.correction), ""),
    ];
    place(&mut list, "from", e.from);
    place(&mut list, "to", e.to);
    if let Some(wall) = e.wall {
        place(&mut list, "wall", wall);
    }
    list
}

fn shot(e: &ShotEvidence) -> Vec<pb::Evidence> {
    let view = |q8: u64| i64::try_from(q8).unwrap_or(i64::MAX);
    let mut list = vec![
        value("judged_at", i64::from(e.tick.0), "tick"),
        value("client_time", view(e.client_us), "us"),
        value("ready", view(e.ready_us), "us"),
        value("view_claimed", view(e.view_claimed_q8), VIEW),
        value("view_min", view(e.view_min_q8), VIEW),
        value("view_max", view(e.view_max_q8), VIEW),
        value("view_used", view(e.view_q8), VIEW),
        value("origin_distance", e.origin_distance_q, LENGTH),
        value("origin_max", e.origin_max_q, LENGTH),
        value("aim_max", i64::from(e.aim_max), "1/65536 turn"),
        value("rounds_left", i64::from(e.rounds_left), ""),
        value("distance", e.distance_q, LENGTH),
        value("range", e.range_q, LENGTH),
        value("hits", i64::from(e.hits), ""),
        value("damage", i64::from(e.damage), "points"),
    ];
    if let Some(wall_q) = e.wall_q {
        list.push(value("wall", wall_q, LENGTH));
    }
    if e.target.is_some() {
        list.push(value("tolerance", i64::from(e.tolerance_q), LENGTH));
        place(&mut list, "target_then", e.target_then);
        place(&mut list, "target_now", e.target_now);
    }
    list
}

fn action(e: &ActionEvidence) -> Vec<pb::Evidence> {
    vec![
        value("judged_at", i64::from(e.tick.0), "tick"),
        value("ready_at", i64::from(e.ready_at.0), "tick"),
        value("charges_left", i64::from(e.charges_left), ""),
        value("energy", i64::from(e.energy), "points"),
        value("energy_needed", i64::from(e.energy_needed), "points"),
        value("distance", e.distance_q, LENGTH),
        value("distance_max", e.distance_max_q, LENGTH),
    ]
}

fn place(list: &mut Vec<pb::Evidence>, name: &str, place: gamemesh_domain::combat::Vec3) {
    for (axis, coordinate) in [("x", place.x), ("y", place.y), ("z", place.z)] {
        list.push(value(&format!("{name}_{axis}"), coordinate.into(), LENGTH));
    }
}

fn hit(named: Named<'_>, e: &ShotEvidence) -> Option<pb::Hit> {
    if e.hits == 0 {
        return None;
    }
    Some(pb::Hit {
        target_id: named.player(e.target?),
        part: e.part.name().to_owned(),
        distance: u32::try_from(e.distance_q).unwrap_or(0),
        damage: signed(e.damage),
        hits: e.hits.into(),
        lethal: e.killed,
    })
}

fn message(reason: Reason) -> &'static str {
    match reason.outcome() {
        Outcome::Accepted => "",
        Outcome::Ignored => "nothing changed",
        Outcome::Refused => "the rules do not allow it",
        Outcome::Corrected => "the position was not accepted",
    }
}
