//! The one message of a request, made of its body when the service asks for it: who may not call learns so
//! from the headers, and his body is not read.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use gamemesh_rpc::edge::{Connection, Received};
use gamemesh_rpc::error::{Error, to_status};
use http::{HeaderMap, HeaderValue, header};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::gateway::Shared;
use crate::request::{self, Announced, Bound};
use crate::table::Row;
use crate::upstream::Fault;

/// A body that nobody has asked for yet.
#[derive(Clone)]
pub(crate) struct Unread(Arc<Mutex<Option<Body>>>);

impl Unread {
    pub(crate) fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

pub(crate) struct Later {
    shared: Arc<Shared>,
    row: Arc<Row>,
    bound: Bound,
    /// What the client says of a body that goes through as it is.
    content_type: Option<HeaderValue>,
    announced: Announced,
    unread: Unread,
    connection: Option<Arc<Connection>>,
}

impl Later {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        row: &Arc<Row>,
        bound: Bound,
        headers: &HeaderMap,
        body: Body,
        connection: Option<Arc<Connection>>,
    ) -> Self {
        let unread = Unread(Arc::new(Mutex::new(Some(body))));
        let (shared, row) = (Arc::clone(shared), Arc::clone(row));
        let announced = Announced::of(&row, headers);
        let content_type = headers.get(header::CONTENT_TYPE).cloned();
        Self { shared, row, bound, content_type, announced, unread, connection }
    }

    /// The message as a body of the call, what is wrong with it, and the client's body until the message
    /// is asked for.
    pub(crate) fn into_parts(self) -> (tonic::body::Body, Fault, Unread) {
        let (fault, unread) = (Fault::default(), self.unread.clone());
        let noted = Arc::clone(&fault);
        let message = stream::once(async move {
            self.message().await.map(Frame::data).map_err(|error| {
                let status = to_status(&error);
                let _ = noted.set(status.clone());
                status
            })
        });
        (tonic::body::Body::new(StreamBody::new(message)), fault, unread)
    }

    async fn message(self) -> Result<Bytes, Error> {
        let Self { shared, row, bound, content_type, announced, unread, connection } = self;
        let body = unread.take().unwrap_or_default();
        let bytes_max = shared.config.body_bytes_max;
        let mut received = Received::new(connection);
        let body = request::read_body(announced, body, bytes_max, &mut received).await?;
        let message = match row.raw_request {
            true => shared.framed_raw(&row, content_type.as_ref(), &body, &bound),
            false => shared.framed(&row, &body, &bound),
        };
        message.map(Bytes::from)
    }
}
