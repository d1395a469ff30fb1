//! The fields of `google/protobuf/descriptor.proto` that are read here, and the option itself, by their
//! numbers. The names are those of the originals.

#[derive(Clone, PartialEq, prost::Message)]
pub struct FileDescriptorSet {
    #[prost(message, repeated, tag = "1")]
    pub file: Vec<FileDescriptor>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct FileDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub package: String,
    #[prost(string, repeated, tag = "3")]
    pub dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub message_type: Vec<MessageDescriptor>,
    #[prost(message, repeated, tag = "6")]
    pub service: Vec<ServiceDescriptor>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct MessageDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, repeated, tag = "2")]
    pub field: Vec<FieldDescriptor>,
    #[prost(message, repeated, tag = "3")]
    pub nested_type: Vec<MessageDescriptor>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct FieldDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    /// 3: the field is a list or a map.
    #[prost(int32, tag = "4")]
    pub label: i32,
    #[prost(int32, tag = "5")]
    pub r#type: i32,
    /// Begins with a dot.
    #[prost(string, tag = "6")]
    pub type_name: String,
    #[prost(message, optional, tag = "8")]
    pub options: Option<FieldOptions>,
    #[prost(int32, optional, tag = "9")]
    pub oneof_index: Option<i32>,
    #[prost(bool, tag = "17")]
    pub proto3_optional: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct FieldOptions {
    /// `(gamemesh.common.v1.field)`
    #[prost(message, optional, tag = "50702")]
    pub facts: Option<FieldFacts>,
}

/// `gamemesh.common.v1.FieldFacts`
#[derive(Clone, PartialEq, prost::Message)]
pub struct FieldFacts {
    #[prost(enumeration = "Role", repeated, tag = "1")]
    pub readers: Vec<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ServiceDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, repeated, tag = "2")]
    pub method: Vec<MethodDescriptor>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct MethodDescriptor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub input_type: String,
    #[prost(string, tag = "3")]
    pub output_type: String,
    #[prost(message, optional, tag = "4")]
    pub options: Option<MethodOptions>,
    #[prost(bool, tag = "5")]
    pub client_streaming: bool,
    #[prost(bool, tag = "6")]
    pub server_streaming: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct MethodOptions {
    /// `(gamemesh.common.v1.method)`
    #[prost(message, optional, tag = "50701")]
    pub facts: Option<MethodFacts>,
}

/// `gamemesh.common.v1.MethodFacts`
#[derive(Clone, PartialEq, prost::Message)]
pub struct MethodFacts {
    #[prost(enumeration = "Role", repeated, tag = "1")]
    pub roles: Vec<i32>,
    #[prost(enumeration = "Effect", tag = "2")]
    pub effect: i32,
    #[prost(enumeration = "Retry", tag = "3")]
    pub retry: i32,
    #[prost(string, repeated, tag = "4")]
    pub forwarding_key: Vec<String>,
    #[prost(string, tag = "5")]
    pub own_player: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Role {
    Unspecified = 0,
    Player = 1,
    GameServer = 2,
    Admin = 3,
    Spectator = 4,
    Analyst = 5,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Effect {
    Unspecified = 0,
    Read = 1,
    Write = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Retry {
    Unspecified = 0,
    Safe = 1,
    WithKey = 2,
    Never = 3,
}

impl MessageDescriptor {
    /// The fields that not everybody reads.
    pub fn restricted(&self) -> impl Iterator<Item = (&str, &FieldFacts)> {
        self.field.iter().filter_map(|field| {
            let facts = field.options.as_ref()?.facts.as_ref()?;
            (!facts.readers.is_empty()).then_some((field.name.as_str(), facts))
        })
    }
}

impl MethodFacts {
    /// Whether everything is said that must be.
    pub fn is_complete(&self) -> bool {
        let mut roles = self.roles.iter().map(|role| Role::try_from(*role));
        roles.all(|role| role.is_ok_and(|role| role != Role::Unspecified))
            && Effect::try_from(self.effect).is_ok_and(|effect| effect != Effect::Unspecified)
            && Retry::try_from(self.retry).is_ok_and(|retry| retry != Retry::Unspecified)
    }
}
