//! Who calls, and on which terms.

use gamemesh_domain::combat::LeaveReason;
use gamemesh_domain::{Error, Result};
use gamemesh_repository::{IDEMPOTENCY_KEY_BYTES_MAX, Idempotency};
use gamemesh_rpc::auth::{Permit, Role};
use prost::Message;
use tonic::Extensions;
use tonic::metadata::MetadataMap;

use crate::ids::PlayerId;

/// The caller of a request.
#[derive(Clone)]
pub(crate) struct Caller {
    permit: Permit,
    idempotency_key: Option<String>,
}

impl Caller {
    pub(crate) fn of(metadata: &MetadataMap, extensions: &Extensions) -> Result<Self> {
        let key = metadata.get("idempotency-key").and_then(|value| value.to_str().ok());
        Ok(Self {
            permit: Permit::of(extensions)?.clone(),
            idempotency_key: key.map(ToOwned::to_owned),
        })
    }

    pub(crate) fn actor(&self) -> String {
        self.permit.principal().subject.to_string()
    }

    /// The player for whom the caller acts, if he may.
    pub(crate) fn player(&self, field: &str, id: &str) -> Result<PlayerId> {
        let own = self.permit.principal().player_id.as_deref();
        let player = PlayerId::parse(field, if id.is_empty() { own.unwrap_or("") } else { id })?;
        self.permit.require_player(player.as_str())?;
        Ok(player)
    }

    /// As what it counts that the caller gives this player's seat up.
    pub(crate) fn leaves(&self, player: &PlayerId) -> LeaveReason {
        let principal = self.permit.principal();
        match principal.role {
            Role::Player => LeaveReason::Left,
            _ if principal.player_id.as_deref() == Some(player.as_str()) => LeaveReason::Left,
            _ => LeaveReason::Kicked,
        }
    }

    /// The player about whom the caller asks: a player about himself, everybody else about all.
    pub(crate) fn asks_about(&self, field: &str, id: &str) -> Result<PlayerId> {
        match self.permit.principal().role {
            Role::Player => self.player(field, id),
            _ => PlayerId::parse(field, id),
        }
    }

    /// Whether the caller may see a session's present: who runs it, and who plays in it.
    pub(crate) fn sees_present(&self, players: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
        let principal = self.permit.principal();
        match principal.role {
            Role::Admin | Role::GameServer => true,
            Role::Player => principal
                .player_id
                .as_deref()
                .is_some_and(|own| players.into_iter().any(|player| player.as_ref() == own)),
            Role::Spectator | Role::Analyst => false,
        }
    }

    /// The idempotency of a request, from its field or its header. The key belongs to the caller who
    /// chose it, and the digest to this very request.
    pub(crate) fn idempotency<M: Message>(
        &self,
        key: &str,
        request: &M,
    ) -> Result<Option<Idempotency>> {
        let key = match (self.idempotency_key.as_deref(), key) {
            (Some(header), "") => header,
            (Some(header), key) if header != key => {
                return Err(Error::invalid("Idempotency-Key", "contradicts idempotencyKey"));
            }
            (None, "") => return Ok(None),
            (_, key) => key,
        };
        if !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) {
            let what = format!("accepts 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
            return Err(Error::invalid("idempotencyKey", what));
        }
        let actor = self.actor();
        let mut owned = blake3::Hasher::new();
        owned.update(&(actor.len() as u64).to_be_bytes()).update(actor.as_bytes());
        owned.update(key.as_bytes());
        let mut fingerprint = [0; 16];
        let asked = blake3::hash(&request.encode_to_vec());
        fingerprint.copy_from_slice(&asked.as_bytes()[..16]);
        Ok(Some(Idempotency { key: owned.finalize().to_hex().to_string(), fingerprint }))
    }
}
