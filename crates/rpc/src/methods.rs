//! What the server knows of each method before the first call: its class and its metrics.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::method_options::IdempotencyLevel;

use crate::auth::RoleSet;
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

/// Names that Google's API guide gives to methods without an effect.
const READ_PREFIXES: [&str; 14] = [
    "Get", "List", "BatchGet", "Read", "Diff", "Query", "Search", "Watch", "Stream", "Describe",
    "Verify", "Replay", "Count", "Export",
];

impl Methods {
    /// The methods of these descriptor sets and of the health and reflection services.
    pub fn new(descriptors: &[&[u8]], metrics: &Metrics) -> Result<Self, prost::DecodeError> {
        let own: [&[u8]; 3] = [
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut by_path = HashMap::new();
        for set in descriptors.iter().copied().chain(own) {
            for file in FileDescriptorSet::decode(set)?.file {
                let package = file.package().to_owned();
                for service in &file.service {
                    let service_name = match package.as_str() {
                        "" => service.name().to_owned(),
                        package => format!("{package}.{}", service.name()),
                    };
                    for method in &service.method {
                        let method = describe(&service_name, method, metrics);
                        by_path.insert(method.path.clone(), method);
                    }
                }
            }
        }
        let unknown = Method {
            path: "unknown".to_owned(),
            service: "unknown".to_owned(),
            name: "unknown".to_owned(),
            class: Class::Write,
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

fn describe(
    service: &str,
    method: &prost_types::MethodDescriptorProto,
    metrics: &Metrics,
) -> Method {
    let name = method.name();
    let declared = method.options.as_ref().map(|options| options.idempotency_level());
    let class = if service == "grpc.health.v1.Health" {
        Class::Probe
    } else if service.starts_with("grpc.reflection.") {
        Class::Reflection
    } else if declared == Some(IdempotencyLevel::NoSideEffects)
        || (!method.client_streaming() && READ_PREFIXES.iter().any(|verb| name.starts_with(verb)))
    {
        Class::Read
    } else {
        Class::Write
    };
    Method {
        path: format!("/{service}/{name}"),
        service: service.to_owned(),
        name: name.to_owned(),
        class,
        roles: RoleSet::ALL,
        metrics: metrics.method(service, name),
    }
}
