//! The gateway's reading of JSON, for those who speak gRPC themselves: the same text is the same message.

use gamemesh_rpc::error::{Code, Error};
use prost_reflect::DescriptorPool;

use crate::json::{self, Limits};
use crate::schema::Schema;
use crate::{GatewayConfig, GatewayError};

/// Reads proto3 JSON as messages. Numbers are read to the nearest double, so that what is written out
/// in full comes back to the same bits.
#[derive(Debug)]
pub struct JsonCodec {
    schema: Schema,
    limits: Limits,
}

impl JsonCodec {
    /// For the messages of an encoded `FileDescriptorSet`.
    pub fn new(descriptors: &[u8]) -> Result<Self, GatewayError> {
        let pool = DescriptorPool::decode(descriptors)?;
        let limits = Limits { depth_max: GatewayConfig::default().json_depth_max };
        Ok(Self { schema: Schema::compile(&pool), limits })
    }

    /// The wire form of the message of this full name that a JSON text is.
    pub fn read(&self, name: &str, json: &[u8]) -> Result<Vec<u8>, Error> {
        let unknown =
            || Error::new(Code::Internal, format!("{name} is no message of the contracts"));
        let id = self.schema.find(name).ok_or_else(unknown)?;
        let mut wire = Vec::with_capacity(json.len());
        json::read_message(&self.schema, id, json, self.limits, &mut wire)?;
        Ok(wire)
    }
}
