//! What the server knows of each method before the first call: its class, who may call it, its metrics.

use std::collections::HashMap;

use gamemesh_facts::{Contracts, Effect, MethodFacts, Undeclared};

use crate::auth::{Role, RoleSet};
use crate::metrics::{MethodMetrics, Metrics};

/// What a method does to the service, as far as limits and admission are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Read,
    Write,
    /// Health probes: answered without a token, without limits, even under overload.
    Probe,
    /// Reflection: without limits; it needs a token in production only.
    Reflection,
}

/// One method of the contracts.
#[derive(Debug)]
pub struct Method {
    /// `/package.Service/Method`.
    pub path: String,
    pub service: String,
    pub name: String,
    pub class: Class,
    /// Its caller sends any number of messages, when he likes.
    pub client_streaming: bool,
    /// It lasts: either side sends any number of messages.
    pub is_stream: bool,
    /// Who may call it.
    pub roles: RoleSet,
    pub metrics: MethodMetrics,
}

/// All methods, by path.
#[derive(Debug)]
pub struct Methods {
    by_path: HashMap<String, Method>,
    /// Stands for every path that is not in the contracts, so that callers cannot make series.
    unknown: Method,
}

/// Contracts that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    #[error("the descriptors are malformed: {0}")]
    Malformed(#[from] prost::DecodeError),
    #[error(transparent)]
    Undeclared(#[from] Undeclared),
}

impl Methods {
    /// The methods of these descriptor sets and of the health and reflection services. Each of a set's
    /// methods must declare its facts.
    pub fn new(descriptors: &[&[u8]], metrics: &Metrics) -> Result<Self, ContractError> {
        let mut by_path = HashMap::new();
        let mut put = |method: &gamemesh_facts::Method, class, roles| {
            let method = Method {
                path: method.path(),
                service: method.service.clone(),
                name: method.name.clone(),
                class,
                client_streaming: method.client_streaming,
                is_stream: method.client_streaming || method.server_streaming,
                roles,
                metrics: metrics.method(&method.service, &method.name),
            };
            by_path.insert(method.path.clone(), method);
        };
        let standard = [
            (Class::Probe, tonic_health::pb::FILE_DESCRIPTOR_SET),
            (Class::Reflection, tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET),
            (Class::Reflection, tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET),
        ];
        for (class, set) in standard {
            let methods = Contracts::decode(set)?.methods();
            methods.iter().for_each(|method| put(method, class, RoleSet::ALL));
        }
        for set in descriptors {
            for (method, facts) in Contracts::decode(set)?.declared()? {
                put(&method, class(&facts), roles(&facts));
            }
        }
        let unknown = Method {
            path: "unknown".to_owned(),
            service: "unknown".to_owned(),
            name: "unknown".to_owned(),
            class: Class::Write,
            client_streaming: false,
            is_stream: false,
            roles: RoleSet::ALL,
            metrics: metrics.method("unknown", "unknown"),
        };
        Ok(Self { by_path, unknown })
    }

    /// The method at this path, or the one that stands for all unknown paths.
    pub fn find(&self, path: &str) -> &Method {
        self.by_path.get(path).unwrap_or(&self.unknown)
    }
}

fn class(facts: &MethodFacts) -> Class {
    if facts.effect() == Effect::Read { Class::Read } else { Class::Write }
}

/// The roles that a method declares, and administrators.
pub fn roles(facts: &MethodFacts) -> RoleSet {
    facts.roles().fold(RoleSet::ADMIN, |set, role| match role {
        gamemesh_facts::Role::Player => set.with(Role::Player),
        gamemesh_facts::Role::GameServer => set.with(Role::GameServer),
        gamemesh_facts::Role::Spectator => set.with(Role::Spectator),
        gamemesh_facts::Role::Analyst => set.with(Role::Analyst),
        gamemesh_facts::Role::Admin | gamemesh_facts::Role::Unspecified => set,
    })
}
