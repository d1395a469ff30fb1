#![doc = include_str!("../README.md")]

mod choice;
mod codec;
mod config;
mod docs;
mod error;
mod gateway;
mod json;
mod memo;
mod metadata;
mod openapi;
mod query;
mod raw;
mod request;
mod schema;
mod single;
mod status;
mod stream;
mod table;
mod template;
mod unary;
mod upload;
mod upstream;
mod websocket;
mod wire;

pub use codec::JsonCodec;
pub use config::{GatewayConfig, METADATA_BYTES_MAX};
pub use error::GatewayError;
pub use gateway::Gateway;
pub use template::TemplateError;
pub use upstream::{BoxError, Upstream, boxed_upstream};
