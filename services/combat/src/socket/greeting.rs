//! The first frame: whom a connection is for.

use std::time::Duration;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::{Code, Error};
use gamemesh_rpc::auth::{Permit, Role};
use tokio::time::timeout;

use super::limits::FRAME_BYTES_MAX;
use super::outlet::Closing;
use super::player::{Source, receive};
use super::{Client, close, refused, require_player};
use crate::ids::PlayerId;
use crate::token::Holder;

/// How long a client may take for its first frame.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// Whom a connection is for, proved.
pub(super) enum Greeting {
    Player(Box<PlayerHello>),
    Spectator(SpectatorHello),
}

pub(super) struct PlayerHello {
    pub(super) player: PlayerId,
    pub(super) permit: Permit,
    /// The epoch of the owner who gave the resume token away.
    pub(super) resumed: Option<u64>,
    pub(super) hello: pb::Hello,
}

pub(super) struct SpectatorHello {
    pub(super) permit: Permit,
    pub(super) follow: Option<PlayerId>,
    pub(super) frames_max_hz: u32,
    pub(super) last_event_seq: u64,
}

/// Waits for the first frame and checks what it says.
pub(super) async fn read(client: &Client, source: &mut Source) -> Result<Greeting, Closing> {
    let first = timeout(GREETING_TIMEOUT, first_frame(client, source)).await;
    let hello = first.unwrap_or_else(|_| {
        let what = "no first frame within 10 s";
        Err(Closing { code: close::POLICY, reason: what.to_owned(), retry_after_ms: 0 })
    })?;
    judge(client, hello).map_err(|error| refused(&error))
}

async fn first_frame(client: &Client, source: &mut Source) -> Result<pb::Hello, Closing> {
    loop {
        let frame = receive(source, FRAME_BYTES_MAX).await?;
        match client.codec.read(&frame) {
            Ok(None) => {}
            Ok(Some(pb::ClientFrame {
                message: Some(pb::client_frame::Message::Hello(hello)),
                ..
            })) => return Ok(hello),
            Ok(Some(_)) => {
                return Err(refused(&Error::invalid("hello", "is the first frame")));
            }
            Err(error) => return Err(refused(&error)),
        }
    }
}

fn judge(client: &Client, hello: pb::Hello) -> Result<Greeting, Error> {
    // A token in the first frame comes from whoever could not send it before; it wins.
    let permit = match (&client.permit, hello.token.as_str()) {
        (Some(permit), "") => permit.clone(),
        // Where no key is configured, nobody needs a token.
        (None, "") => client.pending.authenticate("").map_err(|_| {
            let what = "no token: offer `bearer.<token>` as a sub-protocol, or send it in `hello`";
            Error::new(Code::Unauthenticated, what)
        })?,
        (_, token) => client.pending.authenticate(token)?,
    };
    let now_us = client.edge.clock.now_micros();
    let resumed = match hello.resume_token.as_str() {
        "" => None,
        token => Some(client.edge.tokens.resumed(&client.session, token, now_us)?),
    };
    let (holder, resumed) = resumed.map(|resumed| (resumed.holder, resumed.epoch)).unzip();
    let looks_on = hello.spectate
        || matches!(permit.principal().role, Role::Spectator | Role::Analyst)
        || holder == Some(Holder::Spectator);
    if looks_on {
        let follow = match hello.follow_player_id.as_str() {
            "" => None,
            id => Some(PlayerId::parse("hello.followPlayerId", id)?),
        };
        let (frames_max_hz, last_event_seq) = (hello.frames_max_hz, hello.last_event_seq);
        let hello = SpectatorHello { permit, follow, frames_max_hz, last_event_seq };
        return Ok(Greeting::Spectator(hello));
    }
    let named = match (holder, hello.player_id.as_str()) {
        (Some(Holder::Player(player)), id) if id.is_empty() || id == player.as_str() => player,
        (Some(_), _) => {
            let what = "the resume token belongs to another player";
            return Err(Error::new(Code::TokenMismatch, what).with_field("hello.playerId", what));
        }
        (None, "") => match &permit.principal().player_id {
            Some(own) => PlayerId::parse("hello.playerId", own)?,
            None => return Err(Error::invalid("hello.playerId", "is required")),
        },
        (None, id) => PlayerId::parse("hello.playerId", id)?,
    };
    require_player(&permit, named.as_str())?;
    Ok(Greeting::Player(Box::new(PlayerHello { player: named, permit, resumed, hello })))
}
