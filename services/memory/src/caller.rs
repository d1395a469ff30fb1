//! Who calls, and what he may do.

use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::auth::{Permit, Role};
use tonic::Extensions;
use tonic::metadata::MetadataMap;

const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

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

    /// Game servers speak for NPCs and change what they remember.
    pub(crate) fn may_write(&self) -> Result<()> {
        self.permit.require_any(&[Role::GameServer])
    }

    /// What an NPC remembers is nobody else's: not even a player's whom it is about.
    pub(crate) fn may_read(&self) -> Result<()> {
        self.permit.require_any(&[Role::GameServer, Role::Analyst])
    }

    pub(crate) fn may_administer(&self) -> Result<()> {
        self.permit.require_any(&[])
    }

    /// The idempotency key of a request, from its field or its header, as the caller's own.
    pub(crate) fn idempotency_key(&self, key: &str) -> Result<Option<String>> {
        let key = match (&self.idempotency_key, key) {
            (Some(header), "") => header,
            (Some(header), key) if header != key => {
                let what = "contradicts idempotencyKey";
                return Err(Error::invalid("Idempotency-Key", what));
            }
            (None, "") => return Ok(None),
            (_, key) => key,
        };
        if key.len() > IDEMPOTENCY_KEY_BYTES_MAX || key.contains('\0') {
            let what = format!("accepts 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes without NUL");
            return Err(Error::new(Code::InvalidArgument, format!("idempotencyKey: {what}"))
                .with_field("idempotencyKey", what));
        }
        let subject = &self.permit.principal().subject;
        let mut owned = blake3::Hasher::new();
        owned.update(&(subject.len() as u64).to_be_bytes()).update(subject.as_bytes());
        owned.update(key.as_bytes());
        Ok(Some(owned.finalize().to_hex().to_string()))
    }
}
