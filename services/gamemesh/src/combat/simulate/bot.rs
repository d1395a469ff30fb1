//! One bot: walks in circles, looks at the nearest other, and shoots.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::client_frame::Message as Said;
use prost::Message as _;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::super::Server;
use super::{Cheat, Tally};
use crate::exit::{Outcome, Problem};

const MOVES_HZ: u32 = 20;
const SHOTS_HZ: f64 = 4.0;
const SPEED_M_PER_S: f64 = 4.0;
const UNITS_PER_M: f64 = 1_024.0;
const EYE_UNITS: f64 = 1_690.0;
const TARGET_UNITS: f64 = 1_200.0;

pub(super) struct Bot {
    url: String,
    token: Option<String>,
    player: String,
    number: u32,
    cheat: Cheat,
    players: BTreeMap<u32, pb::Entity>,
    seat: Option<u32>,
    at: [f64; 3],
    correction: u32,
    tick: u32,
    seq: u32,
    shot: u64,
    tally: Tally,
}

impl Bot {
    pub(super) fn new(server: &Server, session: &str, number: u32, cheat: Cheat) -> Self {
        let host = server.url.trim_end_matches('/').replacen("http", "ws", 1);
        Self {
            url: format!("{host}/api/v1/combat/sessions/{session}/ws"),
            token: server.token.clone(),
            player: format!("bot-{number}"),
            number,
            cheat,
            players: BTreeMap::new(),
            seat: None,
            at: [0.0; 3],
            correction: 0,
            tick: 0,
            seq: 0,
            shot: 0,
            tally: Tally::default(),
        }
    }

    pub(super) async fn play(mut self, time: Duration) -> Outcome<Tally> {
        let mut request = self.url.as_str().into_client_request().map_err(Problem::failed)?;
        let protocol = "combat.v1.proto".parse().map_err(Problem::failed)?;
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (mut socket, _) = connect_async(request).await.map_err(Problem::failed)?;
        let hello = pb::Hello {
            token: self.token.clone().unwrap_or_default(),
            player_id: self.player.clone(),
            join: true,
            ..pb::Hello::default()
        };
        let began = Instant::now();
        socket.send(self.frame(Said::Hello(hello), began)).await.map_err(Problem::failed)?;
        let mut moves = interval(Duration::from_secs(1) / MOVES_HZ);
        moves.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hz = if self.cheat == Cheat::Rate { SHOTS_HZ * 8.0 } else { SHOTS_HZ };
        let mut shots = interval(Duration::from_secs_f64(1.0 / hz));
        shots.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while began.elapsed() < time {
            tokio::select! {
                frame = socket.next() => match frame {
                    Some(Ok(Message::Binary(bytes))) => {
                        let frame = pb::ServerFrame::decode(bytes).map_err(Problem::failed)?;
                        self.take(frame);
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(_)) => {}
                },
                _ = moves.tick(), if self.is_alive() => {
                    let said = self.walk(began);
                    socket.send(self.frame(said, began)).await.map_err(Problem::failed)?;
                }
                _ = shots.tick(), if self.is_alive() => {
                    if let Some(said) = self.shoot() {
                        socket.send(self.frame(said, began)).await.map_err(Problem::failed)?;
                    }
                }
            }
        }
        let _ = socket.close(None).await;
        Ok(self.tally)
    }

    fn is_alive(&self) -> bool {
        let me = self.seat.and_then(|seat| self.players.get(&seat));
        me.is_some_and(|me| me.alive == Some(true))
    }

    fn frame(&mut self, said: Said, began: Instant) -> Message {
        self.seq += 1;
        let clock = if self.cheat == Cheat::Clock { 2 } else { 1 };
        let frame = pb::ClientFrame {
            seq: self.seq,
            client_time_us: began.elapsed().as_micros() as u64 * clock,
            snapshot_ack: self.tick,
            message: Some(said),
        };
        Message::Binary(frame.encode_to_vec().into())
    }

    fn walk(&mut self, began: Instant) -> Said {
        let speed = if self.cheat == Cheat::Speed { 4.0 } else { 1.0 } * SPEED_M_PER_S;
        let angle = began.elapsed().as_secs_f64() * 0.8 + f64::from(self.number);
        let step = speed * UNITS_PER_M / f64::from(MOVES_HZ);
        self.at[0] += angle.cos() * step;
        self.at[1] += angle.sin() * step;
        if self.cheat == Cheat::Teleport && self.seq.is_multiple_of(40) {
            self.at[0] = -self.at[0];
        }
        let (yaw, pitch) = self.aim().unwrap_or((0, 0));
        Said::Move(pb::Move {
            position: Some(self.place()),
            yaw,
            pitch,
            pose: String::new(),
            correction_ack: self.correction,
        })
    }

    fn place(&self) -> pb::Vector {
        let [x, y, z] = self.at.map(|axis| axis.round() as i32);
        pb::Vector { x, y, z }
    }

    /// Towards the nearest other who lives.
    fn aim(&self) -> Option<(u32, i32)> {
        let others = self
            .players
            .iter()
            .filter(|(seat, other)| Some(**seat) != self.seat && other.alive == Some(true));
        let ways = others.filter_map(|(_, other)| {
            let place = other.position.as_ref()?;
            let to = [place.x, place.y, place.z].map(f64::from);
            let (dx, dy) = (to[0] - self.at[0], to[1] - self.at[1]);
            Some((dx, dy, to[2] + TARGET_UNITS - self.at[2] - EYE_UNITS))
        });
        let nearest = ways.min_by(|a, b| a.0.hypot(a.1).total_cmp(&b.0.hypot(b.1)))?;
        let (dx, dy, dz) = nearest;
        let turn = |angle: f64| (angle / TAU * 65_536.0).round();
        let yaw = turn(dy.atan2(dx)).rem_euclid(65_536.0) as u32 % 65_536;
        Some((yaw, turn(dz.atan2(dx.hypot(dy))) as i32))
    }

    fn shoot(&mut self) -> Option<Said> {
        let (yaw, pitch) = self.aim()?;
        self.shot += 1;
        let origin = (self.cheat == Cheat::Origin).then(|| {
            let place = self.place();
            pb::Vector { x: place.x + 5 * 1_024, z: place.z + 1_690, ..place }
        });
        let ahead = if self.cheat == Cheat::Future { 60 } else { 0 };
        Some(Said::Shot(pb::Shot {
            number: self.shot,
            view_tick_q8: u64::from(self.tick + ahead) * 256,
            origin,
            yaw,
            pitch,
            ..pb::Shot::default()
        }))
    }

    fn take(&mut self, frame: pb::ServerFrame) {
        self.tick = self.tick.max(frame.tick);
        self.tally.events += frame.events.len() as u64;
        if let Some(welcome) = frame.welcome {
            self.seat = welcome.seat;
            self.shot = welcome.next_shot.saturating_sub(1);
        }
        if let Some(correction) = frame.correction {
            self.correction = correction.correction_id;
            if let Some(place) = correction.position {
                self.at = [place.x, place.y, place.z].map(f64::from);
            }
            self.tally.corrections += u64::from(!matches!(
                correction.reason.as_str(),
                "SPAWNED" | "RESUMED" | "TELEPORTED"
            ));
        }
        for result in frame.results {
            let Some(verdict) = result.verdict else { continue };
            self.tally.shots += u64::from(verdict.kind == "shot");
            self.tally.hits += u64::from(verdict.hit.is_some());
            *self.tally.reasons.entry(verdict.reason).or_default() += 1;
        }
        let Some(snapshot) = frame.snapshot else { return };
        if snapshot.baseline.is_none() {
            self.players.clear();
        }
        for seat in &snapshot.removed {
            self.players.remove(seat);
        }
        for new in snapshot.entities {
            let known = self.players.entry(new.seat).or_default();
            known.position = new.position.or(known.position);
            known.alive = new.alive.or(known.alive);
        }
    }
}
