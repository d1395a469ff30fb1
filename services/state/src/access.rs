//! What a caller may read, and what the history records about the call.

use bytes::Bytes;
use gamemesh_contracts::common::v1::{self as pb, EventMetadata};
use gamemesh_domain::Result;
use gamemesh_repository::StreamName;
use gamemesh_rpc::auth::Role;
use gamemesh_rpc::caller::{Caller, Cause};
use prost::Message as _;

/// Types that a player may read besides himself.
const PUBLIC_TYPES: [&str; 4] = ["combat", "guild", "match", "world"];

/// The state service's rules about its callers that depend on the data: which roles may call a method is
/// declared in its contract.
pub(crate) trait StateCaller {
    /// A player reads himself and what is public; everybody else reads everything.
    fn may_read(&self, stream: &StreamName) -> Result<()>;

    /// Whether the caller may read every aggregate of a type.
    fn may_read_type(&self, name: &str) -> Result<()>;

    fn may_read_all(&self) -> Result<()>;

    /// The role by which the contract says which fields he reads.
    fn reads_as(&self) -> pb::Role;

    /// Who causes what this request writes.
    fn event_metadata(&self, region: &str, reason: &str) -> Result<EventMetadata>;

    /// The same, encoded.
    fn metadata(&self, region: &str, reason: &str) -> Result<Bytes>;
}

impl StateCaller for Caller {
    fn may_read(&self, stream: &StreamName) -> Result<()> {
        match self.principal().role {
            Role::Player if stream.category() == "player" => {
                self.permit().require_player(stream.key())
            }
            Role::Player => self.may_read_type(stream.category()),
            _ => Ok(()),
        }
    }

    fn may_read_type(&self, name: &str) -> Result<()> {
        match self.principal().role {
            Role::Player if !PUBLIC_TYPES.contains(&name) => self.may_read_all(),
            _ => Ok(()),
        }
    }

    fn may_read_all(&self) -> Result<()> {
        self.permit().require_any(&[Role::GameServer, Role::Analyst, Role::Spectator])
    }

    fn reads_as(&self) -> pb::Role {
        match self.principal().role {
            Role::Player => pb::Role::Player,
            Role::GameServer => pb::Role::GameServer,
            Role::Admin => pb::Role::Admin,
            Role::Spectator => pb::Role::Spectator,
            Role::Analyst => pb::Role::Analyst,
        }
    }

    fn event_metadata(&self, region: &str, reason: &str) -> Result<EventMetadata> {
        let Cause { correlation_id, actor, traceparent, reason } = self.cause(reason)?;
        Ok(EventMetadata {
            correlation_id,
            causation_id: String::new(),
            actor,
            region: region.to_owned(),
            traceparent,
            reason,
            occurred_at: None,
            origin: String::new(),
        })
    }

    fn metadata(&self, region: &str, reason: &str) -> Result<Bytes> {
        Ok(self.event_metadata(region, reason)?.encode_to_vec().into())
    }
}
