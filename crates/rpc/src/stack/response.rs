//! Statuses that the gRPC library makes itself, before or beside a handler, given their place in
//! the error table.

use gamemesh_domain::{Code, Error};
use http::{HeaderMap, Response};
use tonic::body::Body;
use tonic::{Code as Grpc, Status};

use crate::error::to_status;

const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";

/// The status in these headers or trailers.
pub(super) fn code(headers: &HeaderMap) -> Option<Grpc> {
    headers.get(STATUS).map(|value| Grpc::from_bytes(value.as_bytes()))
}

/// The same response, with a status that has details. Handlers' own errors have them already.
pub(super) fn typed(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    if !headers.contains_key(STATUS) || headers.contains_key(DETAILS) {
        return response;
    }
    let Some(status) = Status::from_header_map(headers) else { return response };
    let Some(error) = classify(&status) else { return response };
    let mut typed = to_status(&error).into_http();
    // What the library says about encodings it accepts is of use to the caller.
    if let Some(accepted) = headers.get("grpc-accept-encoding") {
        typed.headers_mut().insert("grpc-accept-encoding", accepted.clone());
    }
    typed
}

/// Errors of the library, by its words; a test against the real library keeps them true.
fn classify(status: &Status) -> Option<Error> {
    let message = status.message();
    let malformed =
        |what: &str| Some(Error::new(Code::MalformedBody, format!("{what}: {message}")));
    match status.code() {
        Grpc::Unimplemented if message.is_empty() => {
            Some(Error::new(Code::Unimplemented, "the server does not have this method"))
        }
        Grpc::Unimplemented => Some(Error::new(Code::Unimplemented, message)),
        Grpc::OutOfRange if message.contains("decoded message length too large") => {
            Some(Error::new(Code::PayloadTooLarge, message.trim_start_matches("Error, ")))
        }
        Grpc::Internal if message.starts_with("failed to decode Protobuf message") => {
            malformed("the request is not the message that the method takes")
        }
        Grpc::Internal if message.contains("Unexpected EOF") => {
            malformed("the request ends within a message")
        }
        Grpc::Internal
            if message.contains("compression flag") || message.contains("compressed-flag") =>
        {
            malformed("the frame of the request is malformed")
        }
        Grpc::Internal if message.contains("Missing request message") => {
            malformed("the request has no message")
        }
        Grpc::Internal if message.contains("decompressing") => {
            malformed("the request cannot be decompressed")
        }
        _ => None,
    }
}
