//! A player's connection, as light as a measurement of servers asks for.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use futures::{SinkExt as _, StreamExt as _};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::client_frame::Message as Said;
use prost::Message as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::arena::Arena;
use crate::exit::{Outcome, Problem};

/// One connection of the generator costs a read buffer of this size.
const READ_BUFFER_BYTES: usize = 4 << 10;

/// Connections from one source address: it has ports for 28,000 to one server.
const CONNECTIONS_A_SOURCE: u32 = 5_000;

/// What a player knows: what his client needs to act.
pub(super) struct Player {
    socket: WebSocketStream<TcpStream>,
    began: Instant,
    seq: u32,
    /// Tick of the newest picture.
    tick: u32,
    /// His own place, as the server put him there.
    pub(super) place: Option<pb::Vector>,
    correction: u32,
    /// Where the others are.
    others: Vec<(u32, pb::Vector)>,
    seat: u32,
}

/// A WebSocket to a server from one of several source addresses; `number` chooses it.
pub(super) async fn connect(
    address: &str,
    path: &str,
    protocol: Option<&'static str>,
    number: u32,
) -> Outcome<WebSocketStream<TcpStream>> {
    let server: SocketAddr = address.parse().map_err(Problem::failed)?;
    let source = Ipv4Addr::new(127, 0, 0, 1 + (number / CONNECTIONS_A_SOURCE) as u8);
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{address}{path}");
    let mut request = url.as_str().into_client_request().map_err(Problem::failed)?;
    if let Some(protocol) = protocol {
        let protocol = http::HeaderValue::from_static(protocol);
        request.headers_mut().insert(http::header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let config =
        WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(0);
    let opened = client_async_with_config(request, stream, Some(config)).await;
    Ok(opened.map_err(Problem::failed)?.0)
}

impl Player {
    /// Takes a seat of a session over a connection of his own.
    pub(super) async fn join(
        arena: &Arena,
        session: &str,
        number: u32,
        frames_max_hz: u32,
    ) -> Outcome<Self> {
        let path = format!("/api/v1/combat/sessions/{session}/ws");
        let socket = connect(arena.address(), &path, Some("combat.v1.proto"), number).await?;
        let mut player = Self {
            socket,
            began: Instant::now(),
            seq: 0,
            tick: 0,
            place: None,
            correction: 0,
            others: Vec::new(),
            seat: u32::MAX,
        };
        let hello = pb::Hello {
            player_id: format!("player-{number}"),
            join: true,
            frames_max_hz,
            ..pb::Hello::default()
        };
        player.say(Said::Hello(hello)).await?;
        while player.seat == u32::MAX {
            player.hear().await?;
        }
        Ok(player)
    }

    /// Number of the frame that is said next.
    pub(super) const fn next_frame(&self) -> u32 {
        self.seq + 1
    }

    /// Sends a message.
    pub(super) async fn say(&mut self, said: Said) -> Outcome {
        self.seq += 1;
        let frame = pb::ClientFrame {
            seq: self.seq,
            client_time_us: self.began.elapsed().as_micros() as u64,
            snapshot_ack: self.tick,
            message: Some(said),
        };
        let message = Message::Binary(frame.encode_to_vec().into());
        self.socket.send(message).await.map_err(|error| ended(&error))
    }

    /// The next frame, taken in. If it is given up, nothing is lost.
    pub(super) async fn hear(&mut self) -> Outcome<pb::ServerFrame> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    let frame = pb::ServerFrame::decode(bytes).map_err(Problem::failed)?;
                    self.take(&frame)?;
                    return Ok(frame);
                }
                Some(Ok(Message::Close(close))) => {
                    let why = close.map_or_else(String::new, |close| close.to_string());
                    return Err(Problem::failed(format!("the server has closed: {why}")));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(ended(&error)),
                None => return Err(Problem::failed("the connection has ended")),
            }
        }
    }

    fn take(&mut self, frame: &pb::ServerFrame) -> Outcome {
        if let Some(fault) = &frame.fault {
            return Err(Problem::failed(format!("{}: {}", fault.reason, fault.message)));
        }
        if let Some(welcome) = &frame.welcome {
            self.seat = welcome.seat.unwrap_or(u32::MAX);
        }
        if let Some(correction) = &frame.correction {
            self.correction = correction.correction_id;
            self.place = correction.position;
        }
        let Some(snapshot) = &frame.snapshot else { return Ok(()) };
        self.tick = self.tick.max(snapshot.tick);
        for entity in &snapshot.entities {
            let (seat, Some(place)) = (entity.seat, entity.position) else { continue };
            match self.others.iter_mut().find(|(known, _)| *known == seat) {
                Some((_, known)) => *known = place,
                None => self.others.push((seat, place)),
            }
        }
        Ok(())
    }

    /// The move to a place, with the echo of what the server said last.
    pub(super) fn go(&self, position: pb::Vector, (yaw, pitch): (u32, i32)) -> Said {
        Said::Move(pb::Move {
            position: Some(position),
            yaw,
            pitch,
            pose: String::new(),
            correction_ack: self.correction,
        })
    }

    pub(super) fn shoot(&self, number: u64, (yaw, pitch): (u32, i32)) -> Said {
        Said::Shot(pb::Shot {
            number,
            view_tick_q8: u64::from(self.tick) * 256,
            yaw,
            pitch,
            ..pb::Shot::default()
        })
    }

    /// Places of the other players.
    pub(super) fn others(&self) -> impl Iterator<Item = &pb::Vector> {
        self.others.iter().filter(|(seat, _)| *seat != self.seat).map(|(_, place)| place)
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        let _ = self.socket.close(None).await;
    }
}

fn ended(error: &SocketError) -> Problem {
    Problem::failed(format!("a connection has ended: {error}"))
}
