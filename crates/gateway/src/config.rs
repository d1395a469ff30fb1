//! Every bound of the gateway.

use std::time::Duration;

use gamemesh_rpc::websocket::READ_BUFFER_BYTES;

/// The metadata that a service may answer with, for whoever connects to it: HTTP/2 clients refuse more
/// than 16 KB unless they are told.
pub const METADATA_BYTES_MAX: u32 = 64 << 10;

/// The bounds of the gateway, and how it names itself in `/openapi.json`.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The largest request body, and the largest message in a stream of requests. A larger one is
    /// refused with 413.
    pub body_bytes_max: usize,
    /// The largest message that a service may answer with.
    pub response_bytes_max: usize,
    /// JSON of resources that are read often, with their wire form.
    pub memo_bytes_max: u64,
    /// Objects and lists within each other in a JSON body.
    pub json_depth_max: usize,
    /// The largest frame that a WebSocket client may send; a larger one ends the connection.
    pub websocket_frame_bytes_max: usize,
    /// A WebSocket whose call waits for its one message has this long for it.
    pub first_frame_timeout: Duration,
    /// A WebSocket client that takes nothing of what it is sent for so long is gone.
    pub stalled_max: Duration,
    /// Messages from a WebSocket client that wait for the service. A client that is faster is not read.
    pub stream_messages_max: usize,
    /// How often a silent stream shows that it is alive.
    pub heartbeat: Duration,
    /// How long a unary call may take when the client names no deadline.
    pub unary_timeout: Duration,
    /// A rule that cannot be served is passed over with a warning, instead of being an error at start.
    pub skips_bad_rules: bool,
    /// Title and version of the API.
    pub title: String,
    pub version: String,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: 4 << 20,
            response_bytes_max: 64 << 20,
            memo_bytes_max: 16 << 20,
            json_depth_max: 64,
            websocket_frame_bytes_max: 1 << 20,
            first_frame_timeout: Duration::from_secs(10),
            stalled_max: Duration::from_secs(45),
            stream_messages_max: 16,
            heartbeat: Duration::from_secs(15),
            unary_timeout: Duration::from_secs(60),
            skips_bad_rules: false,
            title: "gamemesh".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl GatewayConfig {
    /// Bytes that one WebSocket may leave in memory because its client does not take them: one answer,
    /// which may grow when it is written as JSON, and the frames of the protocol beside it.
    pub fn websocket_unsent_bytes_max(&self) -> usize {
        self.response_bytes_max.saturating_mul(2).saturating_add(READ_BUFFER_BYTES)
    }
}
