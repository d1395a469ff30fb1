//! A player's connection: his frames to the session's owner.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures::stream::SplitStream;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::client_frame::Message as Said;
use gamemesh_domain::combat::LeaveReason;
use gamemesh_domain::{Code, Error};
use gamemesh_rpc::trace::Correlation;
use gamemesh_rpc::websocket::{self, Ended};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::expiry::Expiry;
use super::greeting::PlayerHello;
use super::limits::{FRAME_BYTES_MAX, Kind, Limits};
use super::outlet::{Closing, Outlet};
use super::{Client, SILENT_MAX, close, refused, restart};
use crate::edge::Edge;
use crate::ids::{PlayerId, SessionId};
use crate::shard::command::{Act, Attach, Attached, Input, Origin, What};
use crate::shard::live::Live;

pub(super) type Source = SplitStream<WebSocket>;

/// The next frame of a client, which may have so many bytes.
pub(super) async fn receive(source: &mut Source, bytes_max: usize) -> Result<Message, Closing> {
    let closing =
        |code, reason: &str| Closing { code, reason: reason.to_owned(), retry_after_ms: 0 };
    match websocket::receive(source, SILENT_MAX).await {
        Ok(frame) if frame_bytes(&frame) > bytes_max => {
            let what = format!("a frame has at most {bytes_max} bytes");
            Err(closing(close::TOO_LARGE, &what))
        }
        Ok(frame) => Ok(frame),
        Err(Ended::Closed) => Err(closing(close::BY_CLIENT, "the client has closed")),
        Err(Ended::Broken { code, reason }) => Err(closing(code, &reason)),
        Err(Ended::Silent) => Err(closing(close::SLOW, "the client has been silent for 15 s")),
    }
}

/// A player's connection while it is served.
struct Connection<'a> {
    edge: &'a Edge,
    session: &'a SessionId,
    outlet: &'a Arc<Outlet>,
    live: Arc<Live>,
    player: PlayerId,
    number: u32,
    limits: Limits,
    snapshot_ack: u32,
    base: Instant,
}

/// Gives the seat's connection back, also when the task is dropped.
struct Attachment<'a> {
    edge: &'a Edge,
    session: SessionId,
    player: PlayerId,
    connection: u32,
}

impl Drop for Attachment<'_> {
    fn drop(&mut self) {
        let (player, connection) = (self.player.clone(), self.connection);
        self.edge.shards.post(self.session.clone(), What::Detach { player, connection });
    }
}

pub(super) async fn serve(
    client: &Client,
    hello: PlayerHello,
    source: &mut Source,
    outlet: &Arc<Outlet>,
    draining: &CancellationToken,
) -> Result<(), Closing> {
    let Client { edge, session, .. } = client;
    let PlayerHello { player, permit, resumed, hello } = hello;
    let attach = Attach {
        player: player.clone(),
        join: hello.join,
        team: hello.team,
        resumed,
        last_event_seq: hello.last_event_seq,
        frames_max_hz: hello.frames_max_hz,
        outlet: outlet.clone(),
    };
    let attached: Attached = edge
        .shards
        .ask(session.clone(), |reply| What::Attach(Box::new(attach), reply))
        .await
        .map_err(|error| refused(&error))?;
    let number = attached.connection;
    let _attachment =
        Attachment { edge, session: session.clone(), player: player.clone(), connection: number };
    let _open = edge.metrics.opened("player");
    let mut expiry = Expiry::of(permit, &edge.clock);
    let mut connection = Connection {
        edge,
        session,
        outlet,
        live: attached.live,
        player,
        number,
        limits: Limits::new(),
        snapshot_ack: 0,
        base: Instant::now(),
    };
    loop {
        let frame = tokio::select! {
            frame = receive(source, FRAME_BYTES_MAX) => frame?,
            closing = expiry.reached() => return Err(closing),
            () = draining.cancelled() => return Err(restart(session.spread() ^ u64::from(number))),
        };
        match client.codec.read(&frame) {
            Ok(None) => {}
            Ok(Some(said)) => {
                if let Some(Said::Refresh(refresh)) = &said.message {
                    expiry.renew(client, &refresh.token)?;
                    continue;
                }
                connection.take(said, frame_bytes(&frame)).await?;
            }
            Err(error) => connection.malformed(&error)?,
        }
    }
}

fn frame_bytes(frame: &Message) -> usize {
    match frame {
        Message::Binary(bytes) => bytes.len(),
        Message::Text(text) => text.len(),
        _ => 0,
    }
}

impl Connection<'_> {
    async fn take(&mut self, frame: pb::ClientFrame, bytes: usize) -> Result<(), Closing> {
        let arrived = Instant::now();
        self.snapshot_ack = self.snapshot_ack.max(frame.snapshot_ack);
        let (seq, client_time_us) = (frame.seq, frame.client_time_us);
        let Some(said) = frame.message else {
            return self.malformed(&Error::new(Code::MalformedBody, "the frame has no message"));
        };
        let kind = match &said {
            Said::Move(_) => Kind::Move,
            Said::Shot(_) => Kind::Shot,
            Said::Action(_) | Said::Reload(_) | Said::Equip(_) => Kind::Action,
            _ => Kind::Control,
        };
        let now_us = self.now_us(arrived);
        if !self.limits.admits(kind, bytes, now_us) {
            self.edge.metrics.limited();
            // A position more or less is nothing to talk about.
            if kind != Kind::Move {
                self.fault(seq, Code::RateLimited.reason(), "more of this kind than allowed");
            }
            return Ok(());
        }
        let input = match said {
            Said::Move(r#move) => Input::Move(r#move),
            Said::Shot(shot) => Input::Shot(shot),
            Said::Action(action) => Input::Action(action),
            Said::Reload(reload) => Input::Reload(reload),
            Said::Equip(equip) => Input::Equip(equip),
            Said::CorrectionAck(ack) => Input::CorrectionAck(ack.correction_id),
            Said::Ping(ping) => return self.pong(&ping, arrived),
            Said::Leave(_) => return self.leave().await,
            Said::Hello(_) => {
                let what = "only the first frame of a connection is a hello";
                return self.malformed(&Error::new(Code::MalformedBody, what));
            }
            Said::Refresh(_) => return Ok(()),
        };
        let droppable = matches!(input, Input::Move(_));
        let act = Act {
            player: self.player.clone(),
            input,
            client_time_us: Some(client_time_us),
            snapshot_ack: self.snapshot_ack,
            arrived,
            origin: Origin::Socket { connection: self.number, seq },
        };
        let correlation = Correlation::current();
        let what = What::Act(Box::new(act));
        if !self.edge.shards.offer(self.session.clone(), what, correlation) && !droppable {
            self.fault(
                seq,
                Code::Overloaded.reason(),
                "the session's owner is busy; send it again",
            );
        }
        Ok(())
    }

    fn now_us(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.base).as_micros() as u64
    }

    fn pong(&self, ping: &pb::Ping, arrived: Instant) -> Result<(), Closing> {
        let pong = pb::Pong {
            client_time_us: ping.client_time_us,
            server_time_us: self.live.now_us(arrived),
            tick_q8: self.live.tick_q8(arrived),
        };
        self.outlet.put_own(pb::ServerFrame { pong: Some(pong), ..pb::ServerFrame::default() });
        Ok(())
    }

    async fn leave(&self) -> Result<(), Closing> {
        let (reply, left) = oneshot::channel();
        let player = self.player.clone();
        let what = What::Leave { player, why: LeaveReason::Left, reply };
        self.edge.shards.post(self.session.clone(), what);
        let _ = left.await;
        Err(Closing {
            code: close::NORMAL,
            reason: "the seat was given up".to_owned(),
            retry_after_ms: 0,
        })
    }

    /// Says what is wrong with a frame; too many of them close the connection.
    fn malformed(&mut self, error: &Error) -> Result<(), Closing> {
        self.edge.metrics.malformed();
        if error.code == Code::PayloadTooLarge {
            return Err(refused(error));
        }
        let now_us = self.now_us(Instant::now());
        if !self.limits.bears_malformed(now_us) {
            return Err(Closing {
                code: close::POLICY,
                reason: format!("too many frames that cannot be read: {}", error.message),
                retry_after_ms: 0,
            });
        }
        self.fault(0, error.code.reason(), &error.message);
        Ok(())
    }

    fn fault(&self, seq: u32, reason: &str, message: &str) {
        let fault = pb::Fault {
            seq,
            reason: reason.to_owned(),
            message: message.to_owned(),
            ..pb::Fault::default()
        };
        self.outlet.put_own(pb::ServerFrame { fault: Some(fault), ..pb::ServerFrame::default() });
    }
}
