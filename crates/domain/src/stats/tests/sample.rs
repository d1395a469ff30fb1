//! Events for tests, in seconds after the start of 2026.

use proptest::prelude::*;

use crate::stats::{Data, Event, EventId, Figure, Match, MatchView, Name, Rules};

pub(super) const BEGIN_US: i64 = 1_767_225_600_000_000;

pub(super) fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

pub(super) fn some(text: &str) -> Option<Name> {
    Some(name(text)).filter(|_| !text.is_empty())
}

pub(super) fn event(id: u32, at_s: f64, player: &str, data: Data) -> Event {
    Event {
        id: EventId::of_sequence("test", 1, id.into()),
        label: None,
        match_id: name("m1"),
        player: (!player.is_empty()).then(|| name(player)),
        time_us: BEGIN_US + (at_s * 1e6) as i64,
        data,
        extra: Box::default(),
    }
}

pub(super) fn kill(victim: &str) -> Data {
    Data::Kill {
        victim: (!victim.is_empty()).then(|| name(victim)),
        weapon: some("rifle"),
        headshot: false,
    }
}

pub(super) fn death(killer: &str) -> Data {
    Data::Death { killer: (!killer.is_empty()).then(|| name(killer)), weapon: None }
}

pub(super) fn join(team: &str) -> Data {
    Data::PlayerJoin { team: some(team) }
}

pub(super) fn hit(target: &str, points: u32, health: Option<u32>) -> Data {
    Data::Damage {
        target: Some(name(target)),
        weapon: None,
        milli: points * 1_000,
        headshot: false,
        health_milli: health.map(|health| health * 1_000),
        shot: None,
    }
}

pub(super) fn objective(what: &str, winner: &str) -> Data {
    let winner = (!winner.is_empty()).then(|| name(winner));
    Data::Objective { name: name(what), round: 1, winner, points: 0 }
}

pub(super) fn end(winner: &str) -> Data {
    Data::MatchEnd { winner: some(winner), draw: false, voided: false, placements: Vec::new() }
}

/// A match of these events, each told with its second, player and what happened.
pub(super) fn played(events: &[(f64, &str, Data)]) -> MatchView {
    let mut played = Match::new(name("m1"), Rules::default());
    for (id, (at_s, player, data)) in events.iter().enumerate() {
        played.apply(&event(id as u32, *at_s, player, data.clone()), BEGIN_US).unwrap();
    }
    played.view()
}

pub(super) fn figure(view: &MatchView, player: &str, figure: Figure) -> u64 {
    view.player(player).map_or(0, |player| player.figures.get(figure))
}

/// Any event of a small match, close to others in time and often at the same.
pub(super) fn any_data() -> impl Strategy<Value = (String, Data)> {
    let player = || (0..6_u8).prop_map(|n| format!("p{n}"));
    let maybe = || proptest::option::weighted(0.8, player());
    let weapon = || proptest::option::of((0..3_u8).prop_map(|n| name(&format!("w{n}"))));
    let named = |player: Option<String>| player.map(|player| name(&player));
    prop_oneof![
        2 => (0..2_u8).prop_map(|t| join(&format!("t{t}"))),
        1 => Just(Data::PlayerLeave),
        6 => (maybe(), weapon(), any::<bool>()).prop_map(move |(victim, weapon, headshot)| Data::Kill {
            victim: named(victim),
            weapon,
            headshot
        }),
        3 => (maybe(), weapon()).prop_map(move |(killer, weapon)| Data::Death { killer: named(killer), weapon }),
        2 => maybe().prop_map(move |victim| Data::Assist { victim: named(victim) }),
        6 => (maybe(), weapon(), 0..200_000_u32, proptest::option::of(0..100_000_u32), proptest::option::of(0..4_u64))
            .prop_map(move |(target, weapon, milli, health_milli, shot)| Data::Damage {
                target: named(target),
                weapon,
                milli,
                headshot: milli % 2 == 0,
                health_milli,
                shot
            }),
        4 => proptest::array::uniform3(-90_000..90_000_i32).prop_map(|mm| Data::Position { mm }),
        2 => (weapon(), 0..5_u32, 0..5_u32)
            .prop_map(|(item, quantity, shots)| Data::ItemUse { item, quantity, shots }),
        1 => Just(Data::MatchStart { map: some("dust"), mode: None }),
        1 => Just(Data::MatchStart { map: some("mill"), mode: some("ctf") }),
        1 => Just(end("t0")),
        2 => Just(objective("round_start", "")),
        2 => (0..2_u8).prop_map(|t| objective("round_end", &format!("t{t}"))),
        1 => Just(objective("flag", "")),
        1 => Just(objective("spawn", "")),
    ]
    .prop_flat_map(move |data| {
        let player = if data.kind().has_player() { player().boxed() } else {
            prop_oneof![Just(String::new()), player()].boxed()
        };
        (player, Just(data))
    })
}

pub(super) fn any_events(max: usize) -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec((any_data(), 0..40_u32), 1..max).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(id, ((player, data), half_seconds))| {
                event(id as u32, f64::from(half_seconds) / 2.0, &player, data)
            })
            .collect()
    })
}
