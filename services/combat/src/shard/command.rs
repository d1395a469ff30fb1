//! What a shard is asked to do.

use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::combat::LeaveReason;
use gamemesh_rpc::trace::Correlation;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::live::Live;
use crate::ids::{PlayerId, SessionId};
use crate::socket::outlet::Outlet;

/// Where an answer goes. Whoever asked may have gone away.
pub(crate) type Reply<T> = oneshot::Sender<Result<T>>;

/// Something that concerns one session.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) session: SessionId,
    pub(crate) what: What,
    /// The call or frame that it came with; its trace goes on into the log.
    pub(crate) correlation: Option<Correlation>,
}

#[derive(Debug)]
pub(crate) enum What {
    Create(Box<Creation>, Reply<Created>),
    /// The session as it is.
    Get(Reply<Present>),
    Update(Box<Changes>, Reply<pb::Session>),
    Join(Join, Reply<Joined>),
    Leave {
        player: PlayerId,
        why: LeaveReason,
        reply: Reply<pb::Session>,
    },
    Attach(Box<Attach>, Reply<Attached>),
    /// A connection has ended. Nothing happens if it is no longer the player's newest one.
    Detach {
        player: PlayerId,
        connection: u32,
    },
    Act(Box<Act>),
    /// The events after a number, up to another; `None`: they are no longer at hand.
    Missed {
        after: u64,
        up_to: u64,
        reply: Reply<Option<Vec<pb::CombatEvent>>>,
    },
    /// Sends the events after a number, and all later ones, to a game server.
    Subscribe {
        after: Option<u64>,
        events: mpsc::Sender<Arc<pb::Events>>,
        reply: Reply<()>,
    },
}

/// A session that is to be.
#[derive(Debug)]
pub(crate) struct Creation {
    pub(crate) request: pb::CreateSessionRequest,
    /// Key and digest of the request.
    pub(crate) idempotency: Option<gamemesh_repository::Idempotency>,
    pub(crate) actor: String,
}

#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) session: pb::Session,
    pub(crate) repeated: bool,
}

/// The session at this moment, for those who may see it.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) session: pb::Session,
    pub(crate) snapshot: pb::Snapshot,
    pub(crate) state_hash: String,
    pub(crate) live: Arc<Live>,
}

#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) name: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) max_players: Option<i32>,
    pub(crate) reason: String,
    pub(crate) expected_revision: Option<u64>,
    /// Ends the session, whatever its status is.
    pub(crate) end: bool,
}

#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) player: PlayerId,
    pub(crate) team: u32,
}

#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) session: pb::Session,
    pub(crate) participant: pb::Participant,
    pub(crate) repeated: bool,
}

/// A connection of a player.
#[derive(Debug)]
pub(crate) struct Attach {
    pub(crate) player: PlayerId,
    /// Takes a seat if he has none.
    pub(crate) join: bool,
    pub(crate) team: u32,
    /// He had a connection before, and has proved it: the epoch of the session's owner at that time.
    pub(crate) resumed: Option<u64>,
    pub(crate) last_event_seq: u64,
    pub(crate) frames_max_hz: u32,
    pub(crate) outlet: Arc<Outlet>,
}

#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) connection: u32,
    pub(crate) live: Arc<Live>,
}

/// Something that a player does.
#[derive(Debug)]
pub(crate) struct Act {
    pub(crate) player: PlayerId,
    pub(crate) input: Input,
    /// The client's clock.
    pub(crate) client_time_us: Option<u64>,
    /// Tick of the newest snapshot that the client has taken in.
    pub(crate) snapshot_ack: u32,
    /// When it arrived here.
    pub(crate) arrived: Instant,
    pub(crate) origin: Origin,
}

#[derive(Debug)]
pub(crate) enum Input {
    Move(pb::Move),
    Shot(pb::Shot),
    Action(pb::UseAction),
    Reload(pb::Reload),
    Equip(pb::Equip),
    CorrectionAck(u32),
}

/// Who is answered.
#[derive(Debug)]
pub(crate) enum Origin {
    /// The player's own connection; a frame of an older connection counts for nothing.
    Socket { connection: u32, seq: u32 },
    /// A call.
    Call(Reply<Answer>),
    /// A game server's stream.
    Stream { command_id: u64, session_id: String, answers: Answers },
}

/// The answers to a game server.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) sender: mpsc::Sender<pb::GameServerResponse>,
    /// Fires when one found no room: the stream ends, rather than go on with a gap.
    pub(crate) overflow: CancellationToken,
}

impl Answers {
    /// Hands an answer over; the session does not wait for who does not read.
    pub(crate) fn give(
        &self,
        command_id: u64,
        session_id: String,
        message: pb::game_server_response::Message,
    ) {
        let message = Some(message);
        let answer = pb::GameServerResponse { command_id, session_id, message };
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(answer) {
            self.overflow.cancel();
        }
    }
}

/// What became of a player's command.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) verdict: pb::Verdict,
    pub(crate) ack: pb::AckClass,
    pub(crate) event_seq: u64,
    pub(crate) repeated: bool,
    pub(crate) position: Option<pb::Vector>,
    pub(crate) correction: Option<pb::Correction>,
}

impl Input {
    /// Name of the kind, as in verdicts.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Move(_) => "move",
            Self::Shot(_) => "shot",
            Self::Action(_) => "action",
            Self::Reload(_) => "reload",
            Self::Equip(_) => "equip",
            Self::CorrectionAck(_) => "correction_ack",
        }
    }

    /// When its answer is wanted.
    pub(crate) fn wanted(&self) -> pb::AckClass {
        let ack = match self {
            Self::Move(_) | Self::CorrectionAck(_) => pb::AckClass::Applied,
            Self::Shot(shot) => shot.ack(),
            Self::Action(action) => action.ack(),
            Self::Reload(reload) => reload.ack(),
            Self::Equip(equip) => equip.ack(),
        };
        if ack == pb::AckClass::Unspecified { pb::AckClass::Applied } else { ack }
    }
}
