//! The gRPC side: one call, its messages, its status.
//!
//! The messages are framed here and not through generated stubs: the gateway has wire bytes on both
//! sides, so a codec would only copy them.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use gamemesh_rpc::edge::Connection;
use gamemesh_rpc::error::{Code, Error, to_status};
use gamemesh_rpc::stack::BodyOnDemand;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _};

use crate::table::Rpc;

const GATEWAY: HeaderName = HeaderName::from_static(gamemesh_rpc::GATEWAY_HEADER);

pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Whatever answers gRPC: the routes of this process or a channel to another. The gateway cannot tell.
pub type Upstream = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError>;

/// Boxes a tonic `Routes`, `Channel` or any service of their shape.
pub fn boxed_upstream<S>(service: S) -> Upstream
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    BoxCloneSyncService::new(service.map_err(Into::into))
}

/// Length of the flag and length before each message.
pub(crate) const FRAME_HEADER_BYTES: usize = 5;

/// Writes the header of the frame that `buffer` begins with.
pub(crate) fn finish_frame(buffer: &mut [u8]) -> Result<(), Error> {
    let length = u32::try_from(buffer.len() - FRAME_HEADER_BYTES)
        .map_err(|_| Error::new(Code::PayloadTooLarge, "the message is larger than 4 GiB"))?;
    buffer[0] = 0;
    buffer[1..FRAME_HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// A call whose response headers have come.
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    body: Body,
    buffer: BytesMut,
    message_bytes_max: usize,
    deadline: Option<Instant>,
    fault: Option<Fault>,
    ended: bool,
}

/// What was wrong with a stream of requests. The service only sees it break off, so this says why.
pub(crate) type Fault = Arc<OnceLock<Status>>;

/// A request whose body is framed already.
pub(crate) struct Outgoing {
    pub(crate) metadata: HeaderMap,
    /// The client's, where it is known.
    pub(crate) connection: Option<Arc<Connection>>,
    pub(crate) body: Body,
    pub(crate) timeout: Option<Duration>,
    pub(crate) fault: Option<Fault>,
}

/// Sends a request and waits for the headers of the answer.
pub(crate) async fn call(
    upstream: &Upstream,
    rpc: &Rpc,
    outgoing: Outgoing,
    message_bytes_max: usize,
) -> Result<Call, Status> {
    let fault = outgoing.fault.clone();
    start(upstream, rpc, outgoing, message_bytes_max).await.map_err(|status| cause(&fault, status))
}

async fn start(
    upstream: &Upstream,
    rpc: &Rpc,
    outgoing: Outgoing,
    message_bytes_max: usize,
) -> Result<Call, Status> {
    let Outgoing { metadata, connection, body, timeout, fault } = outgoing;
    let mut request = http::Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = rpc.uri.clone();
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = metadata;
    if let Some(connection) = connection {
        request.extensions_mut().insert(connection);
    }
    // The client's body is behind this one, and read only for a call that may pass.
    request.extensions_mut().insert(BodyOnDemand);
    let headers = request.headers_mut();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GATEWAY, HeaderValue::from_static("1"));

    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let response = within(deadline, upstream.clone().oneshot(request)).await?;
    // Who is reset at his deadline is told of the deadline, whoever was faster.
    let passed = || deadline.is_some_and(|deadline| deadline <= Instant::now());
    let response =
        response.map_err(|error| if passed() { too_late() } else { unreachable(error) })?;
    let (parts, body) = response.into_parts();
    if parts.status != http::StatusCode::OK {
        return Err(not_grpc(parts.status));
    }
    let call = Call {
        headers: parts.headers,
        trailers: HeaderMap::new(),
        body,
        buffer: BytesMut::new(),
        message_bytes_max,
        deadline,
        fault,
        ended: false,
    };
    match Status::from_header_map(&call.headers) {
        Some(status) if status.code() != tonic::Code::Ok => Err(status),
        _ => Ok(call),
    }
}

impl Call {
    /// The next message; `None` after the last one of a call that succeeded.
    pub(crate) async fn message(&mut self) -> Result<Option<Bytes>, Status> {
        match self.receive().await {
            // A service that takes the end of a broken stream of requests for its end has answered what
            // came before. The caller is told why nothing comes after it.
            Ok(None) => {
                self.fault.as_ref().and_then(|fault| fault.get().cloned()).map_or(Ok(None), Err)
            }
            Ok(message) => Ok(message),
            Err(status) => Err(cause(&self.fault, status)),
        }
    }

    /// A refusal with the metadata that the service had sent before it, where it does not say it anew.
    pub(crate) fn refusal(&self, status: &Status) -> Status {
        let mut metadata = status.metadata().clone().into_headers();
        for name in self.headers.keys().filter(|name| !name.as_str().starts_with("grpc-")) {
            if !metadata.contains_key(name) {
                for value in self.headers.get_all(name) {
                    metadata.append(name, value.clone());
                }
            }
        }
        let details = Bytes::copy_from_slice(status.details());
        Status::with_details_and_metadata(
            status.code(),
            status.message(),
            details,
            MetadataMap::from_headers(metadata),
        )
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(Some(message));
            }
            if self.ended {
                return self.status().map(|()| None);
            }
            let Some(frame) = within(self.deadline, self.body.frame()).await? else {
                self.ended = true;
                continue;
            };
            match frame?.into_data() {
                Ok(data) => self.push(data),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.trailers = trailers;
                        self.ended = true;
                    }
                }
            }
        }
    }

    /// A message that has come already.
    pub(crate) fn buffered(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((header, _)) = self.buffer.split_first_chunk::<FRAME_HEADER_BYTES>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *header;
        if flag != 0 {
            return Err(Status::internal(
                "the service compressed a message without being asked to",
            ));
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > self.message_bytes_max {
            let what = format!(
                "the answer of {length} bytes is larger than {} bytes",
                self.message_bytes_max
            );
            return Err(to_status(&Error::new(Code::PayloadTooLarge, what)));
        }
        if self.buffer.len() < FRAME_HEADER_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(FRAME_HEADER_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    fn push(&mut self, data: Bytes) {
        if self.buffer.is_empty() {
            match data.try_into_mut() {
                Ok(whole) => self.buffer = whole,
                Err(shared) => self.buffer.extend_from_slice(&shared),
            }
        } else {
            self.buffer.extend_from_slice(&data);
        }
    }

    fn status(&self) -> Result<(), Status> {
        let status = Status::from_header_map(&self.trailers)
            .or_else(|| Status::from_header_map(&self.headers));
        match status {
            Some(status) if status.code() == tonic::Code::Ok && self.buffer.is_empty() => Ok(()),
            Some(status) if status.code() == tonic::Code::Ok => {
                Err(Status::internal("the service ended in the middle of a message"))
            }
            Some(status) => Err(status),
            None => Err(to_status(&Error::new(
                Code::DependencyUnavailable,
                "the service broke off its answer",
            ))),
        }
    }
}

fn cause(fault: &Option<Fault>, status: Status) -> Status {
    fault.as_ref().and_then(|fault| fault.get()).cloned().unwrap_or(status)
}

async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Result<F::Output, Status> {
    match deadline {
        None => Ok(future.await),
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.map_err(|_| too_late()),
    }
}

fn too_late() -> Status {
    let what = "the deadline passed before the service answered";
    to_status(&Error::new(Code::DeadlineExceeded, what))
}

/// A call that ended before the service's headers. A stream that was reset has the status that the gRPC
/// protocol gives its code: most say that it may have run, and must not look as if it had not.
fn unreachable(error: BoxError) -> Status {
    let error = match error.downcast::<Status>() {
        Ok(status) => return *status,
        Err(error) if was_never_sent(&*error) => error,
        Err(error) => match Status::try_from_error(error) {
            Ok(status) if !is_transport(status.code()) => return status,
            Ok(status) => status.into(),
            Err(error) => error,
        },
    };
    let refusal = Error::new(Code::DependencyUnavailable, "the service cannot be reached");
    to_status(&refusal.with_context(error))
}

/// The codes that tonic gives what broke beneath HTTP/2.
fn is_transport(code: tonic::Code) -> bool {
    matches!(code, tonic::Code::Unknown | tonic::Code::Unavailable)
}

/// Whether the connection ended before the request was written to it. hyper says that it was cancelled,
/// and tonic would take that for a caller who went away.
fn was_never_sent(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .any(|error| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled))
}

/// An HTTP answer that is not gRPC, by the table of the gRPC specification.
fn not_grpc(status: http::StatusCode) -> Status {
    let code = match status.as_u16() {
        400 => tonic::Code::Internal,
        401 => tonic::Code::Unauthenticated,
        403 => tonic::Code::PermissionDenied,
        404 => tonic::Code::Unimplemented,
        429 | 502 | 503 | 504 => tonic::Code::Unavailable,
        _ => tonic::Code::Unknown,
    };
    Status::new(code, format!("the service answered with HTTP status {}", status.as_u16()))
}
