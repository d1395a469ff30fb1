//! Events as a shooter's servers tell them: mostly movement and hits, some kills.

use gamemesh_contracts::stats::v1::match_event::Data;
use gamemesh_contracts::stats::v1::{
    Damage, IngestBatchRequest, ItemUse, Kill, MatchEvent, MatchStart, Position,
};
use prost_types::Timestamp;

/// Players of a match.
pub(super) const PLAYERS: u64 = 10;

/// 2026-01-01.
const BEGIN_S: i64 = 1_767_225_600;

/// Between two events of a match, in milliseconds.
const STEP_MS: u64 = 50;

pub(super) fn match_id(number: u64) -> String {
    format!("match-{number}")
}

pub(super) fn player_id(of_match: u64, seat: u64) -> String {
    format!("player-{}", of_match * PLAYERS + seat % PLAYERS)
}

/// What a match tells `number`th.
pub(super) fn event(of_match: u64, number: u64) -> MatchEvent {
    let other = player_id(of_match, number + 3);
    let data = match number % 10 {
        0 => Data::Kill(Kill { victim_id: other, weapon: "rifle".into(), headshot: true }),
        1 => Data::ItemUse(ItemUse { item: "rifle".into(), quantity: None, shots: 3 }),
        n if n < 6 => Data::Damage(Damage {
            target_id: other,
            weapon: "rifle".into(),
            amount: 27.0,
            shot_id: Some(number),
            ..Default::default()
        }),
        n => Data::Position(Position { x: n as f64, y: 2.0, z: -(number as f64) / 64.0 }),
    };
    MatchEvent {
        match_id: match_id(of_match),
        player_id: player_id(of_match, number / 2),
        timestamp: Some(at(number)),
        data: Some(data),
        ..Default::default()
    }
}

/// The first event of a match without players.
pub(super) fn start(of_match: u64) -> MatchEvent {
    let data = MatchStart { map: "harbour".into(), mode: "deathmatch".into() };
    MatchEvent {
        match_id: match_id(of_match),
        timestamp: Some(at(0)),
        data: Some(Data::MatchStart(data)),
        ..Default::default()
    }
}

/// A kill of one of many players, for a large board.
pub(super) fn kill(of_match: u64, player: String, number: u64) -> MatchEvent {
    MatchEvent {
        match_id: match_id(of_match),
        player_id: player,
        timestamp: Some(at(number)),
        data: Some(Data::Kill(Kill::default())),
        ..Default::default()
    }
}

fn at(number: u64) -> Timestamp {
    let ms = number * STEP_MS;
    Timestamp { seconds: BEGIN_S + (ms / 1_000) as i64, nanos: (ms % 1_000) as i32 * 1_000_000 }
}

/// The same as one call; the events have the places from `first` on.
pub(super) fn batch(producer: &str, first: u64, events: Vec<MatchEvent>) -> IngestBatchRequest {
    IngestBatchRequest {
        events,
        producer_id: producer.into(),
        epoch: 1,
        first_sequence: first,
        every_result: false,
    }
}

/// Events of one game server: those of its matches in turn, each match in the order of its time.
pub(super) struct Feed {
    producer: String,
    matches: Vec<u64>,
    sent: u64,
}

impl Feed {
    /// The `number`th of so many game servers, who share the matches out.
    pub(super) fn new(run: u32, number: u64, of: u64, matches: u64) -> Self {
        let matches = (0..matches).filter(|m| m % of == number).collect();
        Self { producer: format!("server-{run}-{number}"), matches, sent: 0 }
    }

    /// How many events each of its matches has so many with.
    pub(super) fn events_for(&self, each: u64) -> u64 {
        each * self.matches.len() as u64
    }

    pub(super) fn next(&mut self, count: u64) -> IngestBatchRequest {
        let first = self.sent + 1;
        let of = self.matches.len() as u64;
        let event = |n: u64| event(self.matches[(n % of) as usize], n / of);
        let events = (self.sent..self.sent + count).map(event).collect();
        self.sent += count;
        batch(&self.producer, first, events)
    }
}
