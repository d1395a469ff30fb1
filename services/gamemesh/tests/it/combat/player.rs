//! A player at his socket: he knows what he was told and nothing else.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::time::{Duration, Instant, SystemTime};

use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::client_frame::Message as Said;
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{PATIENCE, are_dense};

const EYE: f64 = 1_690.0;
const MIDDLE: f64 = 1_200.0;
const TURN: f64 = 65_536.0;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) struct Player {
    sink: SplitSink<Socket, Message>,
    /// What has come, and when. It is read as it comes, so that the client is never taken as gone.
    heard: mpsc::UnboundedReceiver<(SystemTime, Message)>,
    reading: AbortHandle,
    /// When the last of what was taken in had come.
    pub(super) arrived: SystemTime,
    began: Instant,
    seq: u32,
    shot: u64,
    tick: u32,
    correction: u32,
    at: pb::Vector,
    pub(super) welcome: pb::Welcome,
    pub(super) events: Vec<pb::CombatEvent>,
    pub(super) entities: BTreeMap<u32, pb::Entity>,
    pub(super) results: Vec<pb::CommandResult>,
    pub(super) skipped: bool,
    pub(super) fault: pb::Fault,
    /// With which code the connection was closed.
    pub(super) closed: Option<u16>,
    /// The ticks of pictures.
    pub(super) pictures: Vec<u32>,
}

/// The first frame of somebody who takes a seat.
pub(super) fn joins(player: &str) -> pb::Hello {
    pb::Hello { player_id: player.to_owned(), join: true, ..pb::Hello::default() }
}

impl Player {
    /// Connects and waits for the welcome.
    pub(super) async fn connect(address: &str, session: &str, hello: pb::Hello) -> Self {
        let mut player = Self::open(address, session, hello, &[]).await;
        player.hear_until("a welcome", |player| player.welcome.session.is_some()).await;
        player
    }

    /// Connects with a seat, as soon as somebody takes him.
    pub(super) async fn joined(address: &str, session: &str, name: &str) -> Self {
        let began = Instant::now();
        loop {
            let mut player = Self::open(address, session, joins(name), &[]).await;
            while player.closed.is_none() && player.welcome.session.is_none() {
                player.hear().await;
            }
            if player.closed.is_none() {
                return player;
            }
            assert!(began.elapsed() < PATIENCE, "nobody has the session: {:?}", player.fault);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Comes back as who he was, with what he has been told; as soon as somebody takes him.
    pub(super) async fn resume(self, address: &str, session: &str) -> Self {
        let began = Instant::now();
        loop {
            if let Some(player) = self.try_resume(address, session).await {
                assert_eq!(player.welcome.seat, self.welcome.seat, "another seat");
                return player;
            }
            assert!(began.elapsed() < PATIENCE, "nobody takes the session up");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Tries once to come back; `None`: he is told to try again, or nobody is there.
    pub(super) async fn try_resume(&self, address: &str, session: &str) -> Option<Self> {
        let hello = pb::Hello {
            resume_token: self.welcome.resume_token.clone(),
            last_event_seq: self.last_event(),
            ..pb::Hello::default()
        };
        let mut player = Self::try_open(address, session, hello, &[]).await?;
        // What comes follows the last event that he knows, or it is said that it does not.
        player.events.extend(self.events.last().cloned());
        while player.closed.is_none() && player.welcome.session.is_none() {
            player.hear().await;
        }
        let may_try_again = matches!(player.closed, None | Some(1006 | 1012 | 1013));
        assert!(may_try_again, "{:?}: {:?}", player.closed, player.fault);
        player.closed.is_none().then_some(player)
    }

    pub(super) async fn open(
        address: &str,
        session: &str,
        hello: pb::Hello,
        headers: &[(&'static str, &str)],
    ) -> Self {
        Self::try_open(address, session, hello, headers).await.expect("nobody is there")
    }

    async fn try_open(
        address: &str,
        session: &str,
        hello: pb::Hello,
        headers: &[(&'static str, &str)],
    ) -> Option<Self> {
        let url = format!("ws://{address}/api/v1/combat/sessions/{session}/ws");
        let mut request = url.into_client_request().unwrap();
        let protocol = "combat.v1.proto".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, _) = connect_async(request).await.ok()?;
        let (sink, mut source) = socket.split();
        let (tell, heard) = mpsc::unbounded_channel();
        let reading = tokio::spawn(async move {
            while let Some(Ok(message)) = source.next().await {
                let _ = tell.send((SystemTime::now(), message));
            }
        });
        let mut player = Self {
            sink,
            heard,
            reading: reading.abort_handle(),
            arrived: SystemTime::UNIX_EPOCH,
            began: Instant::now(),
            seq: 0,
            shot: 0,
            tick: 0,
            correction: 0,
            at: pb::Vector::default(),
            welcome: pb::Welcome::default(),
            events: Vec::new(),
            entities: BTreeMap::new(),
            results: Vec::new(),
            skipped: false,
            fault: pb::Fault::default(),
            closed: None,
            pictures: Vec::new(),
        };
        player.say(Said::Hello(hello)).await;
        Some(player)
    }

    pub(super) fn name(&self) -> String {
        let participants = &self.welcome.participants;
        let own = participants.iter().find(|participant| participant.seat == self.seat());
        own.unwrap().player_id.clone()
    }

    pub(super) fn seat(&self) -> u32 {
        self.welcome.seat.unwrap()
    }

    pub(super) fn last_event(&self) -> u64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    pub(super) async fn say(&mut self, said: Said) -> u32 {
        self.seq += 1;
        let frame = pb::ClientFrame {
            seq: self.seq,
            client_time_us: self.began.elapsed().as_micros() as u64,
            snapshot_ack: self.tick,
            message: Some(said),
        };
        // Whether it went is seen by what comes.
        let _ = self.sink.send(Message::Binary(frame.encode_to_vec().into())).await;
        self.seq
    }

    /// Takes the next frame in.
    pub(super) async fn hear(&mut self) {
        let Some((arrived, message)) = self.heard.recv().await else {
            self.closed.get_or_insert(1006);
            return;
        };
        self.arrived = arrived;
        match message {
            Message::Binary(bytes) => {
                let frame = pb::ServerFrame::decode(bytes).unwrap();
                self.take(frame);
            }
            Message::Close(frame) => {
                self.closed.get_or_insert(frame.map_or(1005, |frame| frame.code.into()));
            }
            _ => {}
        }
    }

    pub(super) async fn hear_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let heard = tokio::time::timeout(PATIENCE, async {
            while !is_so(self) {
                assert!(self.closed.is_none(), "{what}: closed, {:?}", self.fault);
                self.hear().await;
            }
        });
        heard.await.unwrap_or_else(|_| panic!("{what}: not by now"));
    }

    /// Takes in what comes within a time.
    pub(super) async fn hear_for(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, async {
            while self.closed.is_none() {
                self.hear().await;
            }
        })
        .await;
    }

    /// The code of the close, after everything that comes before it.
    pub(super) async fn is_closed(&mut self) -> u16 {
        let closed = tokio::time::timeout(PATIENCE, async {
            while self.closed.is_none() {
                self.hear().await;
            }
        });
        closed.await.expect("it is not closed");
        self.closed.unwrap()
    }

    fn take(&mut self, frame: pb::ServerFrame) {
        self.tick = self.tick.max(frame.tick);
        if frame.events_skipped {
            self.skipped = true;
            self.events.clear();
        }
        if let Some(welcome) = frame.welcome {
            self.shot = welcome.next_shot.saturating_sub(1);
            self.welcome = welcome;
        }
        if let Some(correction) = frame.correction {
            self.correction = correction.correction_id;
            self.at = correction.position.unwrap_or_default();
        }
        self.events.extend(frame.events);
        assert!(are_dense(&self.events), "{:?}", self.events.last());
        self.results.extend(frame.results);
        self.fault = frame.fault.unwrap_or_else(|| self.fault.clone());
        let Some(snapshot) = frame.snapshot else { return };
        self.pictures.push(snapshot.tick);
        if snapshot.baseline.is_none() {
            self.entities.clear();
        }
        for seat in &snapshot.removed {
            self.entities.remove(seat);
        }
        for new in snapshot.entities {
            let known = self.entities.entry(new.seat).or_default();
            known.position = new.position.or(known.position);
            known.alive = new.alive.or(known.alive);
        }
    }

    pub(super) fn is_alive(&self, seat: u32) -> bool {
        self.entities.get(&seat).is_some_and(|entity| entity.alive == Some(true))
    }

    /// Waits until he and another live, and looks at the other.
    pub(super) async fn face(&mut self, other: u32) {
        assert!(self.try_face(other).await, "closed: {:?}", self.fault);
    }

    /// The same; `false`: the connection has ended.
    pub(super) async fn try_face(&mut self, other: u32) -> bool {
        let seat = self.seat();
        let lives = tokio::time::timeout(PATIENCE, async {
            while self.closed.is_none() && !(self.is_alive(seat) && self.is_alive(other)) {
                self.hear().await;
            }
        });
        lives.await.expect("both live");
        if self.closed.is_some() {
            return false;
        }
        let (yaw, pitch) = self.aim(other);
        let said = Said::Move(pb::Move {
            position: Some(self.at),
            yaw,
            pitch,
            pose: String::new(),
            correction_ack: self.correction,
        });
        self.say(said).await;
        true
    }

    fn aim(&self, seat: u32) -> (u32, i32) {
        let to = self.entities[&seat].position.unwrap_or_default();
        let (dx, dy) = (f64::from(to.x - self.at.x), f64::from(to.y - self.at.y));
        let dz = f64::from(to.z) + MIDDLE - f64::from(self.at.z) - EYE;
        let turn = |angle: f64| (angle / TAU * TURN).round();
        let yaw = turn(dy.atan2(dx)).rem_euclid(TURN) as u32 % TURN as u32;
        (yaw, turn(dz.atan2(dx.hypot(dy))) as i32)
    }

    /// Shoots at another, and waits for the answer that survives a crash; `None`: the connection has ended.
    pub(super) async fn shoot(&mut self, seat: u32) -> Option<pb::CommandResult> {
        self.shoot_for(seat, pb::AckClass::Durable).await
    }

    /// The same, with the answer of a class.
    pub(super) async fn shoot_for(
        &mut self,
        seat: u32,
        ack: pb::AckClass,
    ) -> Option<pb::CommandResult> {
        let (yaw, pitch) = self.aim(seat);
        self.shot += 1;
        let said = Said::Shot(pb::Shot {
            number: self.shot,
            view_tick_q8: u64::from(self.tick) * 256,
            yaw,
            pitch,
            ack: ack.into(),
            ..pb::Shot::default()
        });
        let seq = self.say(said).await;
        let result = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(result) = self.results.iter().find(|result| result.seq == seq) {
                    return Some(result.clone());
                }
                if self.closed.is_some() {
                    return None;
                }
                self.hear().await;
            }
        });
        let result = result.await.expect("no verdict")?;
        assert!(ack != pb::AckClass::Durable || result.ack() == ack, "{result:?}");
        let reason = &result.verdict.as_ref().unwrap().reason;
        if reason == "MAGAZINE_EMPTY" {
            self.say(Said::Reload(pb::Reload::default())).await;
        }
        Some(result)
    }
}

impl Drop for Player {
    /// The connection ends with who reads it.
    fn drop(&mut self) {
        self.reading.abort();
    }
}
