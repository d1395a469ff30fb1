//! The contracts as Rust: messages, clients, servers, and the descriptors from which REST,
//! OpenAPI and reflection follow.

#![allow(clippy::all, clippy::pedantic, reason = "generated code is not ours to style")]

/// Every file of `proto/` with its imports, options and comments, as an encoded
/// `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

mod codec;
pub mod method;

/// What all services share.
pub mod common {
    pub mod v1 {
        tonic::include_proto!("gamemesh.common.v1");
    }
}

/// Sessions of players who fight, judged by the server.
pub mod combat {
    pub mod v1 {
        tonic::include_proto!("gamemesh.combat.v1");
    }
}

/// What NPCs remember, what the world is, what was done in it.
pub mod memory {
    pub mod v1 {
        tonic::include_proto!("gamemesh.memory.v1");
    }
}

/// Players, matches, the world, and aggregates of any type.
pub mod state {
    pub mod v1 {
        tonic::include_proto!("gamemesh.state.v1");
    }
}

/// Statistics of matches, leaderboards and ratings.
pub mod stats {
    pub mod v1 {
        tonic::include_proto!("gamemesh.stats.v1");
    }
}
