//! Names of events, and whom they concern.

use gamemesh_contracts::combat::v1::combat_event::Event;

/// The kind of an event, as in filters, tables and topics.
pub(crate) const fn kind(event: &Event) -> &'static str {
    match event {
        Event::Created(_) => "created",
        Event::Status(_) => "status",
        Event::Changed(_) => "changed",
        Event::Joined(_) => "joined",
        Event::Left(_) => "left",
        Event::Spawned(_) => "spawned",
        Event::Fired(_) => "fired",
        Event::Damaged(_) => "damaged",
        Event::Died(_) => "died",
        Event::Healed(_) => "healed",
        Event::Action(_) => "action",
        Event::Effect(_) => "effect",
        Event::Weapon(_) => "weapon",
        Event::Corrected(_) => "corrected",
        Event::Refused(_) => "refused",
        Event::Round(_) => "round",
        Event::Projectile(_) => "projectile",
    }
}

/// The players whom an event concerns, whoever acted first; none: it concerns all.
pub(crate) fn players(event: &Event) -> Vec<&str> {
    let mut players = match event {
        Event::Created(_) | Event::Status(_) | Event::Changed(_) | Event::Round(_) => vec![],
        Event::Joined(e) => vec![e.player_id.as_str()],
        Event::Left(e) => vec![e.player_id.as_str()],
        Event::Spawned(e) => vec![e.player_id.as_str()],
        Event::Fired(e) => vec![e.player_id.as_str()],
        Event::Damaged(e) => vec![e.source_id.as_str(), e.target_id.as_str()],
        Event::Died(e) => {
            let mut players = vec![e.player_id.as_str(), e.killer_id.as_str()];
            players.extend(e.assist_ids.iter().map(String::as_str));
            players
        }
        Event::Healed(e) => vec![e.player_id.as_str(), e.source_id.as_str()],
        Event::Action(e) => vec![e.player_id.as_str(), e.target_id.as_str()],
        Event::Effect(e) => vec![e.player_id.as_str(), e.source_id.as_str()],
        Event::Weapon(e) => vec![e.player_id.as_str()],
        Event::Projectile(e) => vec![e.player_id.as_str()],
        Event::Corrected(e) => vec![e.player_id.as_str()],
        Event::Refused(e) => {
            e.verdict.as_ref().map(|verdict| vec![verdict.player_id.as_str()]).unwrap_or_default()
        }
    };
    players.retain(|player| !player.is_empty());
    players
}
