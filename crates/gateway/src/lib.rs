//! google.api.http to gRPC: REST, SSE, NDJSON, WebSocket and OpenAPI from descriptors.
