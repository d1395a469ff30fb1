//! What players send, parsed into commands of the rules.

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::content::Stance;
use gamemesh_domain::combat::{
    Act, ActionNo, CLIENT_US_MAX, Command, Look, Move, Player, PlayerNo, Reason, Shot, Tick, Vec3,
};

use super::Named;
use crate::shard::command::Input;

/// What the session's owner knows of a player's connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Line {
    /// The client's clock.
    pub(crate) client_us: u64,
    /// The newest picture that the client has taken in, and the newest that was written to it.
    pub(crate) acked: u32,
    pub(crate) written: u32,
    /// The newest correction that the client has taken.
    pub(crate) correction_ack: u32,
}

/// Why an input is no command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreadable {
    pub(crate) reason: Reason,
    pub(crate) what: &'static str,
}

/// The number that its sender gave an input.
pub(crate) fn number(input: &Input) -> u64 {
    match input {
        Input::Shot(shot) => shot.number,
        Input::Action(action) => action.number,
        Input::CorrectionAck(id) => u64::from(*id),
        Input::Move(_) | Input::Reload(_) | Input::Equip(_) => 0,
    }
}

/// The command that an input is; `None`: it only says something of the connection.
pub(crate) fn command(
    named: Named<'_>,
    player: PlayerNo,
    input: &Input,
    line: Line,
) -> Result<Option<Command>, Unreadable> {
    if line.client_us >= CLIENT_US_MAX {
        return Err(malformed("the client's clock is beyond 142 years"));
    }
    let state = named.state.player(player).ok_or(UNKNOWN_PLAYER)?;
    Ok(Some(match input {
        Input::CorrectionAck(_) => return Ok(None),
        Input::Move(r#move) => Command::Move(Move {
            player,
            client_us: line.client_us,
            position: place(r#move.position.as_ref())?,
            look: look(r#move.yaw, r#move.pitch)?,
            stance: stance(&r#move.pose)?,
            correction_ack: line.correction_ack.max(r#move.correction_ack),
        }),
        Input::Shot(shot) => Command::Shoot(self::shot(named, player, state, shot, line)?),
        Input::Action(action) => Command::Act(Act {
            player,
            seq: sequence(action.number)?,
            action: named
                .content
                .actions
                .iter()
                .position(|known| known.id == action.action)
                .map(|at| ActionNo(at as u16))
                .ok_or(Unreadable {
                    reason: Reason::UnknownAction,
                    what: "no action has this id",
                })?,
            target: match action.target_id.as_str() {
                "" => None,
                id => Some(named.state.player_no(id).ok_or(Unreadable {
                    reason: Reason::BadTarget,
                    what: "no player of the session has the target's id",
                })?),
            },
        }),
        Input::Reload(_) => Command::Reload { player },
        Input::Equip(equip) => Command::Switch { player, slot: slot(named, state, &equip.weapon)? },
    }))
}

fn shot(
    named: Named<'_>,
    player: PlayerNo,
    state: &Player,
    shot: &pb::Shot,
    line: Line,
) -> Result<Shot, Unreadable> {
    let slot = match shot.weapon.as_str() {
        "" => state.slot,
        weapon => slot(named, state, weapon)?,
    };
    let hull = named.content.body.hull(state.pose.stance);
    let eye = state.pose.position.raised(hull.eye_q);
    let present = u64::from(named.state.tick.0) * 256;
    Ok(Shot {
        player,
        seq: sequence(shot.number)?,
        client_us: line.client_us,
        view_q8: if shot.view_tick_q8 == 0 { present } else { shot.view_tick_q8 },
        acked: Tick(line.acked),
        written: Tick(line.written),
        slot,
        origin: match &shot.origin {
            Some(origin) => place(Some(origin))?,
            None => eye,
        },
        look: look(shot.yaw, shot.pitch)?,
        claimed_target: named.state.player_no(&shot.claimed_target_id),
    })
}

/// Aims a shot that names its target and no direction at the middle of that target, where he is now.
pub(crate) fn aim(named: Named<'_>, player: PlayerNo, shot: &mut pb::Shot) {
    let target = named.state.player_no(&shot.claimed_target_id).filter(|target| *target != player);
    let (Some(target), Some(shooter), 0, 0) = (
        target.and_then(|target| named.state.player(target)),
        named.state.player(player),
        shot.yaw,
        shot.pitch,
    ) else {
        return;
    };
    let body = &named.content.body;
    let from = match &shot.origin {
        Some(origin) => Vec3::new(origin.x, origin.y, origin.z),
        None => shooter.pose.position.raised(body.hull(shooter.pose.stance).eye_q),
    };
    let middle = body.hull(target.pose.stance).height_q / 2;
    let to = target.pose.position.raised(middle);
    let way = [(to.x, from.x), (to.y, from.y), (to.z, from.z)]
        .map(|(to, from)| f64::from(to) - f64::from(from));
    // A direction is rounded to whole units before anybody judges it, and the log has those.
    let turn = |angle: f64| (angle / std::f64::consts::TAU * 65_536.0).round() as i32;
    shot.yaw = turn(way[1].atan2(way[0])).rem_euclid(65_536) as u32;
    shot.pitch = turn(way[2].atan2(way[0].hypot(way[1])));
}

/// A number beyond what the rules count is as good as one that was left out.
fn sequence(number: u64) -> Result<u32, Unreadable> {
    u32::try_from(number).map_err(|_| Unreadable {
        reason: Reason::Sequence,
        what: "the number is too far from the last one",
    })
}

fn slot(named: Named<'_>, state: &Player, weapon: &str) -> Result<u8, Unreadable> {
    let carried = state.weapons.iter().position(|carried| {
        named.content.weapons.get(usize::from(carried.weapon.0)).is_some_and(|w| w.id == weapon)
    });
    carried.map(|at| at as u8).ok_or(Unreadable {
        reason: Reason::NotEquipped,
        what: "the player does not carry this weapon",
    })
}

const UNKNOWN_PLAYER: Unreadable =
    Unreadable { reason: Reason::UnknownPlayer, what: "the player has no seat" };

const fn malformed(what: &'static str) -> Unreadable {
    Unreadable { reason: Reason::Malformed, what }
}

fn place(vector: Option<&pb::Vector>) -> Result<Vec3, Unreadable> {
    let vector = vector.ok_or(malformed("the position is missing"))?;
    let place = Vec3::new(vector.x, vector.y, vector.z);
    if place.is_in_world() {
        Ok(place)
    } else {
        Err(malformed("the position is outside the world"))
    }
}

fn look(yaw: u32, pitch: i32) -> Result<Look, Unreadable> {
    let yaw = u16::try_from(yaw).map_err(|_| malformed("the yaw is beyond a turn"))?;
    let pitch = i16::try_from(pitch).map_err(|_| malformed("the pitch is beyond a turn"))?;
    let look = Look::new(yaw, pitch);
    if look.is_valid() {
        Ok(look)
    } else {
        Err(malformed("the pitch is beyond straight up or down"))
    }
}

fn stance(pose: &str) -> Result<Stance, Unreadable> {
    match pose {
        "" | "stand" => Ok(Stance::Standing),
        "crouch" => Ok(Stance::Crouching),
        "prone" => Ok(Stance::Prone),
        _ => Err(malformed("the pose is none of stand, crouch, prone")),
    }
}
