//! A gRPC service that is written against descriptors alone, with another protobuf implementation than
//! the gateway's.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf as _;
use futures::{Stream, StreamExt as _};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MapKey, MessageDescriptor, MethodDescriptor, Value,
};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap};
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

pub(super) type Messages = Pin<Box<dyn Stream<Item = Result<DynamicMessage, Status>> + Send>>;

#[derive(Clone)]
pub(super) struct Foreign {
    pub(super) pool: DescriptorPool,
    /// Streams that are open.
    pub(super) open: Arc<AtomicUsize>,
    /// Messages that streams have made.
    pub(super) made: Arc<AtomicUsize>,
}

impl NamedService for Foreign {
    const NAME: &'static str = "foreign.v1.Foreign";
}

impl tower::Service<http::Request<Body>> for Foreign {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let name = request.uri().path().rsplit('/').next().unwrap_or("").to_owned();
            let service =
                this.pool.get_service_by_name(Self::NAME).expect("the service is in the pool");
            let Some(method) = service.methods().find(|m| m.name() == name) else {
                return Ok(Status::unimplemented("no such method").into_http());
            };
            let mut grpc = tonic::server::Grpc::new(DynamicCodec(method.input()));
            let handler = Handler { this, method: method.clone() };
            Ok(match (method.is_client_streaming(), method.is_server_streaming()) {
                (false, false) => grpc.unary(Unary(handler), request).await,
                (false, true) => grpc.server_streaming(handler, request).await,
                (true, false) => grpc.client_streaming(handler, request).await,
                (true, true) => grpc.streaming(handler, request).await,
            })
        })
    }
}

#[derive(Clone)]
struct Handler {
    this: Foreign,
    method: MethodDescriptor,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

/// One answer to one request.
#[derive(Clone)]
struct Unary(Handler);

impl tower::Service<Request<DynamicMessage>> for Unary {
    type Response = Response<DynamicMessage>;
    type Error = Status;
    type Future = Answer<DynamicMessage>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<DynamicMessage>) -> Self::Future {
        let answer = self.0.unary(request);
        Box::pin(async move { answer })
    }
}

impl tonic::server::ServerStreamingService<DynamicMessage> for Handler {
    type Response = DynamicMessage;
    type ResponseStream = Messages;
    type Future = Answer<Messages>;

    fn call(&mut self, request: Request<DynamicMessage>) -> Self::Future {
        let ticks = self.clone().ticks(&request.into_inner());
        Box::pin(async move { Ok(Response::new(ticks)) })
    }
}

impl tonic::server::ClientStreamingService<DynamicMessage> for Handler {
    type Response = DynamicMessage;
    type Future = Answer<DynamicMessage>;

    fn call(&mut self, request: Request<Streaming<DynamicMessage>>) -> Self::Future {
        let output = self.method.output();
        Box::pin(async move {
            let mut numbers = request.into_inner();
            let (mut sum, mut of) = (0, Value::String(String::new()));
            while let Some(number) = numbers.message().await? {
                sum += number.get_field_by_name("value").and_then(|v| v.as_i64()).unwrap_or(0);
                of = number.get_field_by_name("of").map_or(of, |of| of.into_owned());
            }
            let mut answer = DynamicMessage::new(output);
            answer.set_field_by_name("value", Value::I64(sum));
            answer.set_field_by_name("of", of);
            Ok(Response::new(answer))
        })
    }
}

impl tonic::server::StreamingService<DynamicMessage> for Handler {
    type Response = DynamicMessage;
    type ResponseStream = Messages;
    type Future = Answer<Messages>;

    fn call(&mut self, request: Request<Streaming<DynamicMessage>>) -> Self::Future {
        let messages = request.into_inner().map(|said| {
            let said = said?;
            let text = text(&said, "text");
            if text == "fail" || file(&said).as_deref() == Some(b"fail") {
                Err(Status::aborted("told to fail"))
            } else {
                Ok(said)
            }
        });
        Box::pin(async move { Ok(Response::new(Box::pin(messages) as Messages)) })
    }
}

impl Handler {
    fn unary(&self, request: Request<DynamicMessage>) -> Result<Response<DynamicMessage>, Status> {
        let metadata = request.metadata().clone();
        let message = request.into_inner();
        let answer = match self.method.name() {
            "Fail" => return Err(fail(&message)),
            "Metadata" => headers(self.method.output(), &metadata),
            "Raw" => {
                let mut body = DynamicMessage::new(self.method.output());
                body.set_field_by_name("content_type", Value::String("text/csv".to_owned()));
                body.set_field_by_name(
                    "data",
                    Value::Bytes(format!("a,{}", text(&message, "name")).into()),
                );
                body
            }
            _ => message,
        };
        let mut response = Response::new(answer);
        let own = response.metadata_mut();
        own.insert("x-rpc", self.method.name().parse().expect("a name is metadata"));
        for (from, to) in
            [("x-set-etag", "etag"), ("x-set-code", "x-http-code"), ("x-set-plain", "plain")]
        {
            if let Some(value) = metadata.get(from) {
                own.insert(MetadataKey::<Ascii>::from_static(to), value.clone());
            }
        }
        if let Some(length) = metadata.get("x-set-long") {
            let length = length.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            own.insert("long", "m".repeat(length).parse().expect("letters are metadata"));
        }
        Ok(response)
    }

    fn ticks(self, request: &DynamicMessage) -> Messages {
        let Self { this, method } = self;
        let number =
            |name: &str| request.get_field_by_name(name).and_then(|v| v.as_i32()).unwrap_or(0);
        let (to, fail_after, padding) = (number("to"), number("fail_after"), number("padding"));
        let hang = request.get_field_by_name("hang").and_then(|v| v.as_bool()).unwrap_or(false);
        let output = method.output();
        let guard = Open::new(&this.open);
        let made = Arc::clone(&this.made);
        let ticks = (1..=to).map(move |n| {
            made.fetch_add(1, Ordering::SeqCst);
            if fail_after > 0 && n > fail_after {
                return Err(Status::data_loss("told to fail"));
            }
            let mut tick = DynamicMessage::new(output.clone());
            tick.set_field_by_name("n", Value::I32(n));
            tick.set_field_by_name("resume_token", Value::String(format!("t{n}")));
            tick.set_field_by_name("padding", Value::String("x".repeat(padding as usize)));
            Ok(tick)
        });
        let rest = futures::stream::once(async move {
            if hang {
                futures::future::pending::<()>().await;
            }
            drop(guard);
            None
        });
        Box::pin(futures::stream::iter(ticks).map(Some).chain(rest).filter_map(async |tick| tick))
    }
}

struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The bytes of the file that a message carries.
fn file(message: &DynamicMessage) -> Option<bytes::Bytes> {
    let file = message.get_field_by_name("file")?;
    let data = file.as_message()?.get_field_by_name("data")?;
    data.as_bytes().cloned()
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn fail(failure: &DynamicMessage) -> Status {
    let code = failure.get_field_by_name("code").and_then(|v| v.as_i32()).unwrap_or(0);
    let mut details = ErrorDetails::new();
    if !text(failure, "reason").is_empty() {
        let facts = HashMap::from([("asked".to_owned(), "yes".to_owned())]);
        details.set_error_info(text(failure, "reason"), text(failure, "domain"), facts);
    }
    if let Some(delay) = failure.get_field_by_name("retry_after")
        && failure.has_field_by_name("retry_after")
        && let Some(delay) = delay.as_message()
    {
        let seconds = delay.get_field_by_name("seconds").and_then(|v| v.as_i64()).unwrap_or(0);
        let nanos = delay.get_field_by_name("nanos").and_then(|v| v.as_i32()).unwrap_or(0);
        details.set_retry_info(Some(Duration::new(seconds as u64, nanos as u32)));
    }
    if let Some(fields) = failure.get_field_by_name("fields") {
        for field in fields.as_list().unwrap_or_default() {
            details.add_bad_request_violation(field.as_str().unwrap_or(""), "is wrong");
        }
    }
    let code = Code::from(code);
    let message = text(failure, "message");
    let custom =
        failure.get_field_by_name("custom_detail").and_then(|v| v.as_bool()).unwrap_or(false);
    if !custom {
        return Status::with_error_details(code, message, details);
    }
    let any = |type_url: &str, value: Vec<u8>| {
        let type_url = type_url.to_owned();
        prost_reflect::prost_types::Any { type_url, value }
    };
    let status = tonic_types::Status {
        code: code as i32,
        message: message.clone(),
        details: vec![
            any("type.googleapis.com/foreign.v1.Named", b"\x0a\x01n".to_vec()),
            any("type.googleapis.com/unheard.v1.Of", vec![1, 2, 3]),
            any("type.googleapis.com/foreign.v1.Named", vec![0xff]),
        ],
    };
    Status::with_details(code, message, status.encode_to_vec().into())
}

fn headers(output: MessageDescriptor, metadata: &MetadataMap) -> DynamicMessage {
    let values = metadata
        .clone()
        .into_headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (MapKey::String(name.as_str().to_owned()), Value::String(value))
        })
        .collect();
    let mut message = DynamicMessage::new(output);
    message.set_field_by_name("values", Value::Map(values));
    message
}

#[derive(Clone)]
struct DynamicCodec(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer).map_err(|e| Status::internal(e.to_string()))
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let message = DynamicMessage::decode(self.0.clone(), bytes);
        message.map(Some).map_err(|e| Status::invalid_argument(format!("not protobuf: {e}")))
    }
}
