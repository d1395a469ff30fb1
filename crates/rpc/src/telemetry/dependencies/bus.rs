//! The bus, seen by a tracer.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_bus::{Message, Pending, PublishError, Publisher, Refused, Session};
use tokio::sync::watch;
use tracing::Span;

use super::{ended, message};
use crate::trace::TraceContext;

const TRACEPARENT: &str = "traceparent";

pub(super) struct TracedPublisher(Arc<dyn Publisher>);

struct TracedSession(Box<dyn Session>);

impl TracedPublisher {
    pub(super) fn new(inner: Arc<dyn Publisher>) -> Self {
        Self(inner)
    }
}

#[async_trait]
impl Publisher for TracedPublisher {
    async fn session(&self) -> Result<Box<dyn Session>, PublishError> {
        Ok(Box::new(TracedSession(self.0.session().await?)))
    }

    fn message_bytes_max(&self) -> usize {
        self.0.message_bytes_max()
    }

    fn has_subscribers(&self, topics: &[Arc<str>]) -> watch::Receiver<bool> {
        self.0.has_subscribers(topics)
    }

    fn is_durable(&self) -> bool {
        self.0.is_durable()
    }

    async fn ping(&self) -> Result<(), PublishError> {
        self.0.ping().await
    }
}

#[async_trait]
impl Session for TracedSession {
    async fn publish(&mut self, mut batch: Vec<Message>) -> Pending<Result<(), Refused>> {
        let spans: Vec<Span> = batch.iter_mut().filter_map(begin).collect();
        let pending = self.0.publish(batch).await;
        if spans.is_empty() {
            return pending;
        }
        Box::pin(async move {
            let result = pending.await;
            spans.iter().for_each(|span| ended(span, &result));
            result
        })
    }

    fn resume_after(&mut self, topic: &str, lane: u16, head: u64) -> u64 {
        self.0.resume_after(topic, lane, head)
    }

    async fn rewound(&mut self) {
        self.0.rewound().await;
    }
}

/// The span of a message whose cause is sampled. Who reads the message goes on from the span; of two
/// relays that publish the same, each has its own.
fn begin(published: &mut Message) -> Option<Span> {
    let header = published.headers.iter_mut().find(|header| header.name == TRACEPARENT)?;
    let parent =
        std::str::from_utf8(&header.value).ok().and_then(TraceContext::from_traceparent)?;
    if !parent.sampled {
        return None;
    }
    let (span, own) = message(&published.topic, parent);
    if let Some(own) = own {
        header.value = Bytes::from(own.traceparent());
    }
    Some(span)
}
