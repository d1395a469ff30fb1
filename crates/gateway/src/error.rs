//! Why a descriptor set cannot be served.

use crate::template::TemplateError;

/// A descriptor set that is no table of routes. Each names the RPC to mend.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("the descriptor set cannot be read: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),

    #[error("{rpc}: template {template:?} {error}")]
    Template { rpc: String, template: String, error: TemplateError },

    #[error("{rpc}: template {template:?}: {what}")]
    Rule { rpc: String, template: String, what: String },

    #[error("{first} and {second} both answer {verb} {template}")]
    Clash { first: String, second: String, verb: String, template: String },
}
