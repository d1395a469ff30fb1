//! A connection of the load generator: gRPC over HTTP/2 with nothing between the stub and the wire that a
//! measurement does not need, since what calls takes from the same cores as what answers. Calls in closed
//! loops, of which there are the most, have still less around them (`unary`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gamemesh_launch::{DeferState, DeferredConnection};
use h2::client::{Builder, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use tokio::net::TcpStream;
use tonic::body::Body;
use tower::Service;

/// As much as an answer may have on its way: far more than any that is measured.
const WINDOW_BYTES: u32 = 2 << 20;

/// Clones share the connection.
#[derive(Clone)]
pub(crate) struct Connection {
    requests: SendRequest<Bytes>,
    defer: Arc<DeferState>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = Builder::new()
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(io::Error::other)?;
        let defer = Arc::new(DeferState::default());
        // Calls that begin together leave in one write. How it ends, its calls are told.
        tokio::spawn(DeferredConnection::new(connection, defer.clone()));
        Ok(Self { requests, defer })
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Answer>;
    type Error = h2::Error;
    type Future = BoxFuture<'static, Result<Response<Answer>, h2::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        self.requests.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { mut requests, defer } = self.clone();
        Box::pin(async move {
            let in_flight = defer.begin();
            let (head, body) = request.into_parts();
            let (answer, stream) = requests.send_request(Request::from_parts(head, ()), false)?;
            let mut sending = Box::pin(send(body, stream));
            // A single message is ready at once; a stream goes on beside its answers.
            if (&mut sending).now_or_never().is_none() {
                tokio::spawn(sending);
            }
            let answer = answer.await?;
            drop(in_flight);
            Ok(answer.map(|stream| Answer { stream, has_data: true }))
        })
    }
}

/// Sends a body to its end. A stream that the server has ended takes no more, and its answer says why.
async fn send(mut body: Body, mut stream: SendStream<Bytes>) {
    while let Some(Ok(frame)) = body.frame().await {
        let ends = body.is_end_stream();
        if let Ok(data) = frame.into_data()
            && (stream.send_data(data, ends).is_err() || ends)
        {
            return;
        }
    }
    let _ = stream.send_data(Bytes::new(), true);
}

/// The body of an answer.
pub(crate) struct Answer {
    stream: RecvStream,
    /// Whether its trailers are still to come after more data.
    has_data: bool,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.has_data {
            match ready!(self.stream.poll_data(context)) {
                Some(Ok(data)) => {
                    self.stream.flow_control().release_capacity(data.len())?;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.has_data = false,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(context))?;
        Poll::Ready(trailers.map(Frame::trailers).map(Ok))
    }
}
