//! What callers want of a session.

use super::content::Stance;
use super::event::LeaveReason;
use super::fixed::{Look, Vec3};
use super::ids::{ActionNo, PlayerNo, TeamNo, Tick};
use super::wire::wire_struct;

/// One wish. Who may have it is decided before: a command names the player that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A new name or number of seats.
    Update {
        name: Option<String>,
        max_players: Option<u8>,
    },
    Start,
    Pause,
    Resume,
    /// Ends the session in favour of whoever leads: somebody asked for it, or nobody is there any more.
    End {
        empty: bool,
    },
    /// Ends the session without a result. Who does not say why has asked for it.
    Abort {
        why: String,
    },
    /// `team` is a wish where the mode has teams; without one the smallest team is chosen.
    Join {
        player_id: String,
        team: Option<TeamNo>,
    },
    Leave {
        player: PlayerNo,
        why: LeaveReason,
    },
    ChangeTeam {
        player: PlayerNo,
        team: TeamNo,
    },
    Move(Move),
    Shoot(Shot),
    Reload {
        player: PlayerNo,
    },
    /// Takes the weapon in `slot` of the loadout into the hands.
    Switch {
        player: PlayerNo,
        slot: u8,
    },
    Act(Act),
    /// Lives again, once the time has come. Without it, that happens by itself as soon as it may.
    Respawn {
        player: PlayerNo,
    },
    /// The game puts a player somewhere: what he reports from elsewhere is ignored until he echoes it.
    Teleport {
        player: PlayerNo,
        position: Vec3,
        look: Look,
    },
    /// The next tick: effects, casts, reloads, projectiles, respawns, rounds.
    Tick,
}

/// A position report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Move {
    pub player: PlayerNo,
    /// The client's monotonic clock when he was there, microseconds since any instant of his own.
    pub client_us: u64,
    pub position: Vec3,
    pub look: Look,
    pub stance: Stance,
    /// The newest correction that he has applied; 0 before the first.
    pub correction_ack: u32,
}

wire_struct!(Move { player, client_us, position, look, stance, correction_ack });

/// A shot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shot {
    pub player: PlayerNo,
    /// Counts the player's shots from 1. A repeated number gets the first answer.
    pub seq: u32,
    /// The client's clock at the trigger, as in [`Move::client_us`].
    pub client_us: u64,
    /// The tick that was on the screen, in 1/256 of a tick.
    pub view_q8: u64,
    /// Filled by the server: the newest frame that the client had acknowledged, …
    pub acked: Tick,
    /// … and the newest that had been written to his socket.
    pub written: Tick,
    /// The slot of the weapon in the loadout.
    pub slot: u8,
    pub origin: Vec3,
    pub look: Look,
    /// Whom the client believes to have hit. It is compared, never trusted.
    pub claimed_target: Option<PlayerNo>,
}

wire_struct!(Shot {
    player,
    seq,
    client_us,
    view_q8,
    acked,
    written,
    slot,
    origin,
    look,
    claimed_target,
});

/// A use of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Act {
    pub player: PlayerNo,
    /// Counts the player's uses from 1. A repeated number gets the first answer.
    pub seq: u32,
    pub action: ActionNo,
    /// None for an action upon oneself.
    pub target: Option<PlayerNo>,
}

wire_struct!(Act { player, seq, action, target });
