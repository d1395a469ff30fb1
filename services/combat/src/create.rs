//! A new session: what its creator wants, checked.

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{CheckedContent, Event, NewSession, Record, Rules};
use gamemesh_domain::{Error, Result};

use crate::ids::SessionId;
use crate::shard::command::Creation;
use crate::stored::Header;

const TYPE_BYTES_MAX: usize = 32;

/// Seats where nobody says how many.
const SEATS: i32 = 16;

const DEFAULT_TYPE: &str = "match";
const DEFAULT_MODE: &str = "deathmatch";

/// The first record of a session's log.
pub(crate) fn first_record(
    id: &SessionId,
    creation: &Creation,
    content: &CheckedContent,
) -> Result<Record> {
    let request = &creation.request;
    if request.r#type.len() > TYPE_BYTES_MAX {
        return Err(Error::invalid("type", format!("accepts at most {TYPE_BYTES_MAX} bytes")));
    }
    let max_players = if request.max_players == 0 { SEATS } else { request.max_players };
    let policy = request.policy.unwrap_or_default();
    let new = NewSession {
        session_id: id.as_str().to_owned(),
        name: request.name.clone(),
        kind: or(&request.r#type, DEFAULT_TYPE),
        max_players: u8::try_from(max_players)
            .map_err(|_| Error::invalid("maxPlayers", "accepts 1 to 128"))?,
        map_id: or(&request.map_id, content.maps.first().map_or("", |map| map.id.as_str())),
        mode_id: or(&request.game_mode, DEFAULT_MODE),
        seed: policy.seed.unwrap_or_else(|| id.spread()),
        rules: Some(rules(&content.rules, &policy)?),
    };
    let mut record = new.create(content)?;
    if let Event::Created(created) = &mut record.event {
        let mode = &mut created.mode;
        if let Some(score) = between(policy.score_limit, "scoreLimit", 1, 10_000)? {
            mode.score_max = score;
        }
        if let Some(seconds) = between(policy.time_limit_s, "timeLimitS", 1, 86_400)? {
            mode.time_max_ms = seconds * 1_000;
        }
        if let Some(ms) = between(policy.respawn_ms, "respawnMs", 0, 600_000)? {
            mode.respawn_ms = ms;
        }
        if let Some(friendly_fire) = policy.friendly_fire {
            mode.friendly_fire = friendly_fire;
        }
    }
    between(policy.idle_grace_s, "idleGraceS", 1, 86_400)?;
    between(policy.auto_start_players, "autoStartPlayers", 0, 128)?;
    Ok(record)
}

/// What the log keeps of the creation beside the first record.
pub(crate) fn header(creation: &Creation, now_us: i64) -> Header {
    let idempotency = creation.idempotency.clone();
    let (key, fingerprint) =
        idempotency.map(|known| (known.key, known.fingerprint.to_vec())).unwrap_or_default();
    Header {
        created_us: now_us,
        policy: creation.request.policy,
        key,
        fingerprint: fingerprint.into(),
        actor: creation.actor.clone(),
    }
}

fn rules(content: &Rules, policy: &pb::SessionPolicy) -> Result<Rules> {
    let mut rules = content.clone();
    let (min, max) = (Rules::TICK_HZ_MIN, Rules::TICK_HZ_MAX);
    if let Some(tick_hz) = between(policy.tick_hz, "tickHz", min, max)? {
        rules.tick_hz = tick_hz;
    }
    if let Some(delay_s) = policy.spectator_delay_s {
        let known = gamemesh_domain::combat::content::SpectateRules::DELAYS_S;
        let delay_s = u32::try_from(delay_s).ok().filter(|delay_s| known.contains(delay_s));
        rules.spectate.delay_s = delay_s.ok_or_else(|| {
            Error::invalid("policy.spectatorDelayS", "accepts 0, 10, 30, 60, 120")
        })?;
    }
    Ok(rules)
}

fn between(value: Option<i32>, field: &str, min: u32, max: u32) -> Result<Option<u32>> {
    let checked = value.map(|value| {
        let fits = u32::try_from(value).ok().filter(|value| (min..=max).contains(value));
        fits.ok_or_else(|| {
            Error::invalid(format!("policy.{field}"), format!("accepts {min} to {max}"))
        })
    });
    checked.transpose()
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default } else { text }.to_owned()
}
