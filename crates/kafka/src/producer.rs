//! One producer of librdkafka, good until its first refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gamemesh_bus::Message;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};
use tokio_util::sync::CancellationToken;

use crate::batch::Ticket;
use crate::error::{OpenError, publish_error};
use crate::options::KafkaOptions;

pub(crate) struct Producer {
    /// Taken when it is dropped.
    inner: Option<ThreadedProducer<Reports>>,
    state: Arc<State>,
}

/// What the delivery reports have told.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Cancelled by the first refusal: nothing more may be sent.
    over: CancellationToken,
    purged: AtomicBool,
    acknowledged: AtomicBool,
    away: AtomicBool,
}

pub(crate) struct Reports(Arc<State>);

impl Producer {
    pub(crate) fn new(options: &KafkaOptions) -> Result<Self, OpenError> {
        let state = Arc::new(State::default());
        let inner = options.producer().create_with_context(Reports(state.clone()))?;
        Ok(Self { inner: Some(inner), state })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.over.is_cancelled()
    }

    pub(crate) async fn over(&self) {
        self.state.over.cancelled().await;
    }

    /// Whether it has delivered anything.
    pub(crate) fn has_acknowledged(&self) -> bool {
        self.state.acknowledged.load(Ordering::Relaxed)
    }

    /// Whether all brokers were away when last heard of.
    pub(crate) fn is_away(&self) -> bool {
        self.state.away.load(Ordering::Relaxed)
    }

    /// Takes a message, or gives its ticket back with the reason.
    pub(crate) fn send(
        &self,
        message: &Message,
        ticket: Box<Ticket>,
    ) -> Result<(), (KafkaError, Box<Ticket>)> {
        let mut record = BaseRecord::with_opaque_to(&message.topic, ticket)
            .key(&message.key[..])
            .payload(&message.payload[..]);
        if !message.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(message.headers.len());
            record = record.headers(message.headers.iter().fold(headers, |headers, header| {
                headers.insert(Header { key: header.name, value: Some(&header.value[..]) })
            }));
        }
        self.inner().send(record).map_err(|(error, record)| (error, record.delivery_opaque))
    }

    /// Gives up what waits: its reports come at once.
    pub(crate) fn purge(&self) {
        if !self.state.purged.swap(true, Ordering::Relaxed) {
            self.inner().purge(PurgeConfig::default().queue().inflight());
        }
    }

    /// Asks a broker; blocks up to `timeout`.
    pub(crate) fn ask(&self, timeout: std::time::Duration) -> Result<(), KafkaError> {
        self.inner().client().fetch_metadata(None, timeout)?;
        self.state.away.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn inner(&self) -> &ThreadedProducer<Reports> {
        self.inner.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Producer {
    /// Ending librdkafka's threads takes a while and blocks.
    fn drop(&mut self) {
        let inner = self.inner.take();
        std::thread::spawn(move || drop(inner));
    }
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                if !self.0.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!("all Kafka brokers are away");
                }
            }
            Some(RDKafkaErrorCode::Fatal) => {
                tracing::warn!(%error, reason, "the Kafka producer has to begin anew");
                self.0.over.cancel();
            }
            _ => tracing::debug!(%error, reason, "librdkafka tells of a problem"),
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        match result {
            Ok(_) => {
                self.0.acknowledged.store(true, Ordering::Relaxed);
                self.0.away.store(false, Ordering::Relaxed);
                ticket.report(Ok(()));
            }
            Err((error, _)) => {
                ticket.report(Err(publish_error(error)));
                self.0.over.cancel();
            }
        }
    }
}
