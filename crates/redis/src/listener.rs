//! Receives what others announce, and reconnects when the connection is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use gamemesh_cache::BroadcastEvent;
use redis::aio::PubSub;
use redis::{Client, ConnectionInfo, Msg, RedisResult};
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::address::Address;
use crate::announcement;
use crate::counters::Counters;
use crate::order::{Order, Verdict};
use crate::topology::owner_first;

/// How long connecting and subscribing may take, and the answer to a ping.
const REPLY_MAX: Duration = Duration::from_secs(2);

/// How often the server is pinged: a connection that is lost without a sign would deliver nothing.
const PING_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before reconnecting, at first and at most.
const RECONNECT_MS: (u64, u64) = (20, 500);

pub(crate) struct Listener {
    pub(crate) address: Address,
    pub(crate) channel: String,
    /// Of the channel, in a cluster.
    pub(crate) slot: u16,
    pub(crate) listeners: broadcast::Sender<BroadcastEvent>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) order: Order,
}

impl Listener {
    /// Listens until it is ended.
    pub(crate) async fn run(mut self) {
        let mut reconnect_ms = RECONNECT_MS.0;
        loop {
            match timeout(REPLY_MAX, self.subscribe()).await {
                Ok(Ok(subscribed)) => {
                    reconnect_ms = RECONNECT_MS.0;
                    self.interrupted();
                    self.counters.is_listening.store(true, Ordering::Relaxed);
                    self.receive(subscribed).await;
                    self.counters.is_listening.store(false, Ordering::Relaxed);
                    tracing::debug!("the connection for announcements was lost");
                }
                Ok(Err(error)) => tracing::debug!(%error, "listening to announcements"),
                Err(_) => tracing::debug!("listening to announcements: no answer in time"),
            }
            // Many instances should not reconnect at once.
            let pause =
                Duration::from_millis(reconnect_ms).mul_f64(0.5 + rand::random::<f64>() / 2.0);
            tokio::time::sleep(pause).await;
            reconnect_ms = (reconnect_ms * 2).min(RECONNECT_MS.1);
        }
    }

    /// In a cluster both sides use the node that has the channel's slot, so that no announcement
    /// depends on the links between nodes.
    async fn subscribe(&mut self) -> RedisResult<PubSub> {
        let node = match &mut self.address {
            Address::Server(server) => (**server).clone(),
            Address::Cluster(known) => {
                let nodes = owner_first(known, self.slot).await?;
                remember(known, &nodes);
                nodes[0].clone()
            }
        };
        let mut subscribed = Client::open(node)?.get_async_pubsub().await?;
        subscribed.subscribe(&self.channel).await?;
        Ok(subscribed)
    }

    /// Returns when the connection is lost.
    async fn receive(&mut self, subscribed: PubSub) {
        let (mut sink, mut messages) = subscribed.split();
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.take(&message),
                    None => return,
                },
                _ = ping.tick() => {
                    let answered = timeout(REPLY_MAX, sink.ping::<redis::Value>()).await;
                    if !matches!(answered, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }

    fn take(&mut self, message: &Msg) {
        let Some(numbered) = announcement::decode(message.get_payload_bytes()) else {
            tracing::debug!("an announcement cannot be read");
            return self.interrupted();
        };
        match self.order.judge(numbered.caller, numbered.announcement.lane, numbered.number) {
            Verdict::Late => return,
            Verdict::AfterAGap => self.deliver(BroadcastEvent::Interrupted),
            Verdict::Next => {}
        }
        self.deliver(BroadcastEvent::Announced(Arc::new(numbered.announcement)));
    }

    fn interrupted(&mut self) {
        self.order.interrupted();
        self.deliver(BroadcastEvent::Interrupted);
    }

    fn deliver(&self, event: BroadcastEvent) {
        match event {
            BroadcastEvent::Announced(_) => self.counters.received.count(),
            BroadcastEvent::Interrupted => self.counters.interruptions.count(),
        }
        // There may be no subscriber.
        let _ = self.listeners.send(event);
    }
}

/// Nodes that were configured stay known, at the end: the others may all be replaced.
fn remember(known: &mut Vec<ConnectionInfo>, nodes: &[ConnectionInfo]) {
    let first = std::mem::replace(known, nodes.to_vec());
    let new = first.into_iter().filter(|node| nodes.iter().all(|n| n.addr() != node.addr()));
    known.extend(new.take(KNOWN_MAX.saturating_sub(nodes.len())).collect::<Vec<_>>());
}

/// Nodes that are remembered; a larger cluster is found through those.
const KNOWN_MAX: usize = 64;
