//! A descriptor set, and the methods in it.

use std::collections::BTreeSet;

use prost::DecodeError;
use prost::Message as _;

use crate::wire::{FieldDescriptor, FileDescriptorSet, MessageDescriptor, MethodFacts, Role};

/// The contracts of a descriptor set.
#[derive(Debug, Clone)]
pub struct Contracts {
    pub(crate) set: FileDescriptorSet,
}

/// A method of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// With its package: `gamemesh.state.v1.StateService`.
    pub service: String,
    pub name: String,
    /// The message that it takes, with its package.
    pub request: String,
    pub client_streaming: bool,
    pub server_streaming: bool,
    /// Absent where the contract does not say, which only contracts of others may leave out.
    pub facts: Option<MethodFacts>,
}

/// Methods about which the contracts do not say everything.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no complete option (gamemesh.common.v1.method), with roles, effect and retry, at {}",
    .0.join(", ")
)]
pub struct Undeclared(pub Vec<String>);

impl Method {
    /// As gRPC has it: `/package.Service/Method`.
    pub fn path(&self) -> String {
        format!("/{}/{}", self.service, self.name)
    }

    /// Whether either side sends more than one message.
    pub const fn is_streaming(&self) -> bool {
        self.client_streaming || self.server_streaming
    }
}

impl Contracts {
    /// Reads an encoded `google.protobuf.FileDescriptorSet`.
    pub fn decode(descriptor_set: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { set: FileDescriptorSet::decode(descriptor_set)? })
    }

    /// The packages of the set, each once.
    pub fn packages(&self) -> BTreeSet<&str> {
        self.set.file.iter().map(|file| file.package.as_str()).collect()
    }

    /// All methods, in the order of the set.
    pub fn methods(&self) -> Vec<Method> {
        let mut methods = Vec::new();
        for file in &self.set.file {
            for service in &file.service {
                methods.extend(service.method.iter().map(|method| Method {
                    service: qualified(&file.package, &service.name),
                    name: method.name.clone(),
                    request: method.input_type.trim_start_matches('.').to_owned(),
                    client_streaming: method.client_streaming,
                    server_streaming: method.server_streaming,
                    facts: method.options.as_ref().and_then(|options| options.facts.clone()),
                }));
            }
        }
        methods
    }

    /// All methods with their facts, or the names of all that lack some.
    pub fn declared(&self) -> Result<Vec<(Method, MethodFacts)>, Undeclared> {
        let mut declared = Vec::new();
        let mut undeclared = Vec::new();
        for method in self.methods() {
            match method.facts.clone().filter(MethodFacts::is_complete) {
                Some(facts) => declared.push((method, facts)),
                None => undeclared.push(method.path()),
            }
        }
        if undeclared.is_empty() { Ok(declared) } else { Err(Undeclared(undeclared)) }
    }

    /// The field at a path of names with dots between them, or what is wrong with the path.
    pub(crate) fn field(&self, message: &str, path: &str) -> Result<&FieldDescriptor, String> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(f, rest)| (f, Some(rest)));
        let found = self.message(message).and_then(|it| it.field.iter().find(|f| f.name == first));
        let found = found.ok_or_else(|| format!("{message} has no field {first}"))?;
        match rest {
            None => Ok(found),
            Some(rest) => self.field(found.type_name.trim_start_matches('.'), rest),
        }
    }

    /// The fields that not everybody reads, by message and name, and who does.
    pub fn restricted_fields(&self) -> Vec<(String, String, Vec<Role>)> {
        let mut found = Vec::new();
        for file in &self.set.file {
            for message in &file.message_type {
                for (field, facts) in message.restricted() {
                    let name = qualified(&file.package, &message.name);
                    found.push((name, field.to_owned(), facts.readers().collect()));
                }
            }
        }
        found
    }

    /// The message with this name, which has its package in front.
    pub(crate) fn message(&self, name: &str) -> Option<&MessageDescriptor> {
        self.set.file.iter().find_map(|file| {
            let within = match file.package.as_str() {
                "" => name,
                package => name.strip_prefix(package)?.strip_prefix('.')?,
            };
            find(&file.message_type, within)
        })
    }
}

/// A message by its name within these, such as `Outer.Inner`.
fn find<'a>(messages: &'a [MessageDescriptor], name: &str) -> Option<&'a MessageDescriptor> {
    let (first, rest) =
        name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
    let found = messages.iter().find(|message| message.name == first)?;
    rest.map_or(Some(found), |rest| find(&found.nested_type, rest))
}

pub(crate) fn qualified(package: &str, name: &str) -> String {
    if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
}
