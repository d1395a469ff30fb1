//! Records of the rules as the events that others are told of.

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::combat_event::Event as Told;
use gamemesh_domain::combat::content::Part;
use gamemesh_domain::combat::{Cause, EffectEnd, End, Event, Evidence, Record, Status};

use super::{Named, signed, vector, verdict};

/// What clients are told of a record; `None`: it is in the pictures, or concerns only who did it.
pub(crate) fn told(named: Named<'_>, record: &Record) -> Option<Told> {
    Some(match &record.event {
        Event::Created(_) => {
            Told::Created(pb::SessionCreated { session: Some(super::session::bare(named.state)) })
        }
        Event::Updated { .. } => Told::Changed(pb::SessionChanged {
            name: named.state.created.name.clone(),
            max_players: i32::from(named.state.created.max_players),
        }),
        Event::Started => status(Status::Waiting, Status::Active, ""),
        Event::Paused => status(Status::Active, Status::Paused, ""),
        Event::Resumed => status(Status::Paused, Status::Active, ""),
        Event::Ended(end) => ended(named, end),
        Event::Aborted { why } => status(Status::Active, Status::Aborted, why),
        Event::Joined { player, player_id, team, .. } => Told::Joined(pb::PlayerJoined {
            player_id: player_id.clone(),
            seat: player.0.into(),
            team: team.0.into(),
        }),
        Event::Left { player, why } => Told::Left(pb::PlayerLeft {
            player_id: named.player(*player),
            reason: super::session::leave_reason(*why).to_owned(),
        }),
        Event::TeamChanged { player, team } => Told::Joined(pb::PlayerJoined {
            player_id: named.player(*player),
            seat: player.0.into(),
            team: team.0.into(),
        }),
        Event::Spawned(spawned) => Told::Spawned(pb::PlayerSpawned {
            player_id: named.player(spawned.player),
            position: Some(vector(spawned.position)),
            generation: named.state.player(spawned.player).map_or(0, |player| player.track),
        }),
        Event::Moved(_)
        | Event::MoveStale { .. }
        | Event::EffectPulsed { .. }
        | Event::Ticked { .. }
        | Event::ShotRefused(_)
        | Event::ActionRefused(_) => return None,
        Event::Corrected(corrected) => Told::Corrected(pb::PlayerCorrected {
            player_id: named.player(corrected.player),
            position: named.state.player(corrected.player).map(|p| vector(p.pose.position)),
            correction_id: corrected.correction,
            reason: corrected.verdict.reason.name().to_owned(),
        }),
        Event::Teleported { player, correction, position, .. } => {
            Told::Corrected(pb::PlayerCorrected {
                player_id: named.player(*player),
                position: Some(vector(*position)),
                correction_id: *correction,
                reason: "TELEPORTED".to_owned(),
            })
        }
        Event::Fired(fired) => {
            let magazine = match &fired.verdict.evidence {
                Evidence::Shot(evidence) => evidence.rounds_left.into(),
                _ => 0,
            };
            Told::Fired(pb::ShotFired {
                player_id: named.player(fired.input.player),
                shot: fired.input.seq.into(),
                weapon: named.weapon(fired.weapon),
                origin: Some(vector(fired.input.origin)),
                yaw: fired.input.look.yaw.into(),
                pitch: fired.input.look.pitch.into(),
                magazine,
            })
        }
        Event::Switched { player, .. } => weapon(named, *player, "equipped"),
        Event::ReloadStarted { player, .. } => weapon(named, *player, "reloading"),
        Event::ReloadEnded { player, .. } => weapon(named, *player, "reloaded"),
        Event::Launched(projectile) => Told::Projectile(pb::ProjectileChanged {
            number: projectile.number.0,
            player_id: named.player(projectile.owner),
            weapon: named.weapon(projectile.weapon),
            phase: "launched".to_owned(),
            position: Some(vector(projectile.origin)),
        }),
        Event::ProjectileStopped { projectile, position } => {
            flying(projectile.0, "stopped", *position)
        }
        Event::Exploded { projectile, position } => flying(projectile.0, "exploded", *position),
        Event::Damaged(damaged) => Told::Damaged(pb::PlayerDamaged {
            target_id: named.player(damaged.player),
            source_id: named.maybe_player(damaged.by),
            cause: named.cause(damaged.cause),
            shot: damaged.shot_seq.into(),
            part: part(damaged.cause, damaged.part),
            health: signed(damaged.health),
            armor: signed(damaged.armour),
            shield: signed(damaged.shield),
            overkill: signed(damaged.overkill),
            health_left: named.state.player(damaged.player).map_or(0, |p| signed(p.health)),
            distance: u32::try_from(damaged.distance_q).unwrap_or(0),
        }),
        Event::Healed { player, by, cause, amount } => Told::Healed(pb::PlayerHealed {
            player_id: named.player(*player),
            source_id: named.maybe_player(*by),
            cause: named.cause(*cause),
            health: signed(*amount),
            shield: 0,
        }),
        Event::Died(died) => Told::Died(pb::PlayerDied {
            player_id: named.player(died.player),
            killer_id: named.maybe_player(died.killer),
            cause: named.cause(died.cause),
            assist_ids: died.assists.iter().map(|player| named.player(*player)).collect(),
            headshot: died.part == Part::Head && matches!(died.cause, Cause::Weapon(_)),
            respawn_tick: died.respawn_at.map(|tick| tick.0),
        }),
        Event::Acted(acted) => Told::Action(pb::ActionHappened {
            player_id: named.player(acted.input.player),
            action: named.action(acted.input.action),
            phase: if acted.cast_until.is_some() { "started" } else { "completed" }.to_owned(),
            number: acted.input.seq.into(),
            target_id: named.maybe_player(acted.input.target),
            ready_at_tick: acted.ready_at.0,
        }),
        Event::CastDone { player, action } => Told::Action(pb::ActionHappened {
            player_id: named.player(*player),
            action: named.action(*action),
            phase: "completed".to_owned(),
            ..pb::ActionHappened::default()
        }),
        Event::CastInterrupted { player, action, .. } => Told::Action(pb::ActionHappened {
            player_id: named.player(*player),
            action: named.action(*action),
            phase: "interrupted".to_owned(),
            ..pb::ActionHappened::default()
        }),
        Event::EffectApplied { player, effect, .. } => Told::Effect(pb::EffectChanged {
            player_id: named.player(*player),
            effect: named.effect(effect.effect),
            source_id: named.maybe_player(effect.by),
            began: true,
            until_tick: effect.ends_at.0,
            number: effect.key.0,
            end: String::new(),
        }),
        Event::EffectEnded { player, effect, why } => Told::Effect(pb::EffectChanged {
            player_id: named.player(*player),
            effect: String::new(),
            source_id: String::new(),
            began: false,
            until_tick: record.tick.0,
            number: effect.0,
            end: match why {
                EffectEnd::Time => "time",
                EffectEnd::UsedUp => "used_up",
            }
            .to_owned(),
        }),
        Event::RoundStarted { round, .. } => {
            Told::Round(pb::RoundChanged { round: *round, began: true, winner_team: 0 })
        }
        Event::RoundEnded { round, winner, .. } => Told::Round(pb::RoundChanged {
            round: *round,
            began: false,
            winner_team: winner.0.into(),
        }),
    })
}

/// Whether a record changes what the tables say of the session itself.
pub(crate) const fn changes_session(event: &Event) -> bool {
    matches!(
        event,
        Event::Created(_)
            | Event::Updated { .. }
            | Event::Started
            | Event::Paused
            | Event::Resumed
            | Event::Ended(_)
            | Event::Aborted { .. }
            | Event::Joined { .. }
            | Event::Left { .. }
            | Event::TeamChanged { .. }
    )
}

/// How a shot was judged, for those who judge it again.
pub(crate) fn validation(named: Named<'_>, record: &Record) -> Option<pb::DamageValidation> {
    let (input, judged, weapon) = match &record.event {
        Event::Fired(fired) => (&fired.input, &fired.verdict, Some(fired.weapon)),
        Event::ShotRefused(refused) => (&refused.input, &refused.verdict, None),
        _ => return None,
    };
    let player = named.player(input.player);
    Some(pb::DamageValidation {
        number: record.number,
        time: None,
        weapon: weapon.map(|weapon| named.weapon(weapon)).unwrap_or_default(),
        verdict: Some(verdict::of(named, &player, "shot", input.seq.into(), judged)),
    })
}

/// A command that was refused, for tables and topics.
pub(crate) fn refused(named: Named<'_>, record: &Record) -> Option<Told> {
    let verdict = match &record.event {
        Event::ShotRefused(refused) => {
            let player = named.player(refused.input.player);
            verdict::of(named, &player, "shot", refused.input.seq.into(), &refused.verdict)
        }
        Event::ActionRefused(refused) => {
            let player = named.player(refused.input.player);
            verdict::of(named, &player, "action", refused.input.seq.into(), &refused.verdict)
        }
        _ => return None,
    };
    Some(Told::Refused(pb::CommandRefused { verdict: Some(verdict) }))
}

fn status(from: Status, to: Status, why: &str) -> Told {
    Told::Status(pb::StatusChanged {
        from: from.name().to_owned(),
        to: to.name().to_owned(),
        reason: why.to_owned(),
        winner: String::new(),
    })
}

fn ended(named: Named<'_>, end: &End) -> Told {
    Told::Status(pb::StatusChanged {
        from: Status::Active.name().to_owned(),
        to: Status::Ended.name().to_owned(),
        reason: super::session::end_reason(end.why).to_owned(),
        winner: super::session::winner(named.state, end),
    })
}

fn weapon(named: Named<'_>, player: gamemesh_domain::combat::PlayerNo, phase: &str) -> Told {
    let held = named.state.player(player).and_then(|player| player.in_hands());
    Told::Weapon(pb::WeaponChanged {
        player_id: named.player(player),
        weapon: held.map(|held| named.weapon(held.weapon)).unwrap_or_default(),
        phase: phase.to_owned(),
        magazine: held.map_or(0, |held| held.rounds.into()),
        reserve: held.map_or(0, |held| held.reserve.into()),
    })
}

fn flying(number: u32, phase: &str, position: gamemesh_domain::combat::Vec3) -> Told {
    Told::Projectile(pb::ProjectileChanged {
        number,
        phase: phase.to_owned(),
        position: Some(vector(position)),
        ..pb::ProjectileChanged::default()
    })
}

fn part(cause: Cause, part: Part) -> String {
    match cause {
        Cause::Weapon(_) => part.name().to_owned(),
        Cause::Effect(_) | Cause::Action(_) | Cause::Cost(_) => String::new(),
    }
}
