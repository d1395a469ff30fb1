//! HTTP/1.1 as scripts and browsers speak it.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON: {error}\n{}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends one request over a connection of its own; `address` is `host:port`.
pub async fn send(
    address: &str,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> anyhow::Result<Answer> {
    let answer = open(address, request, body).await?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

/// The same, without reading the body: for streams.
pub async fn open(
    address: &str,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> anyhow::Result<Response<Incoming>> {
    let request = request.header(http::header::HOST, address);
    open_on(TcpStream::connect(address).await?, request, body).await
}

/// The same over a connection that is there, such as one with TLS.
pub async fn open_on<S>(
    stream: S,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> anyhow::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request.body(Full::new(body.into()))?).await?)
}

pub async fn get(address: &str, path: &str) -> anyhow::Result<Answer> {
    send(address, Request::get(path), Bytes::new()).await
}

/// Sends a JSON body.
pub async fn send_json(
    address: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<Answer> {
    let request =
        Request::builder().method(method).uri(path).header("content-type", "application/json");
    send(address, request, body.to_string()).await
}
