//! Hears what others announce, and comes back when the connection is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use gamemesh_cache::Heard;
use redis::aio::PubSub;
use redis::{Client, ConnectionInfo, Msg, RedisResult};
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::address::Address;
use crate::counters::Counters;
use crate::news;
use crate::order::{Order, Verdict};
use crate::topology::owner_first;

/// How long connecting and subscribing may take, and the answer of a server that is asked whether it
/// still lives.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is asked: one that has gone without a sign would leave the listeners deaf.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long a server that is away is left alone, at first and at most.
const AWAY_MS: (u64, u64) = (20, 500);

pub(crate) struct Listener {
    pub(crate) address: Address,
    pub(crate) channel: String,
    /// Of the channel, in a cluster.
    pub(crate) slot: u16,
    pub(crate) listeners: broadcast::Sender<Heard>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) order: Order,
}

impl Listener {
    /// Listens until it is ended.
    pub(crate) async fn run(mut self) {
        let mut away_ms = AWAY_MS.0;
        loop {
            match timeout(PATIENCE, self.subscribe()).await {
                Ok(Ok(subscribed)) => {
                    away_ms = AWAY_MS.0;
                    self.interrupted();
                    self.counters.is_listening.store(true, Ordering::Relaxed);
                    self.hear(subscribed).await;
                    self.counters.is_listening.store(false, Ordering::Relaxed);
                    tracing::debug!("the connection for announcements was lost");
                }
                Ok(Err(error)) => tracing::debug!(%error, "listening to announcements"),
                Err(_) => tracing::debug!("listening to announcements: no answer in time"),
            }
            // Many instances shall not come back at once.
            let pause = Duration::from_millis(away_ms).mul_f64(0.5 + rand::random::<f64>() / 2.0);
            tokio::time::sleep(pause).await;
            away_ms = (away_ms * 2).min(AWAY_MS.1);
        }
    }

    /// In a cluster both sides use the node that has the channel's slot, so that no announcement
    /// depends on the links between nodes.
    async fn subscribe(&mut self) -> RedisResult<PubSub> {
        let node = match &mut self.address {
            Address::Server(server) => server.clone(),
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
    async fn hear(&mut self, subscribed: PubSub) {
        let (mut sink, mut messages) = subscribed.split();
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.take(&message),
                    None => return,
                },
                _ = ask.tick() => {
                    let asked = timeout(PATIENCE, sink.ping::<redis::Value>()).await;
                    if !matches!(asked, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }

    fn take(&mut self, message: &Msg) {
        let Some(numbered) = news::decode(message.get_payload_bytes()) else {
            tracing::debug!("an announcement cannot be read");
            return self.interrupted();
        };
        match self.order.judge(numbered.caller, numbered.announcement.lane, numbered.number) {
            Verdict::Late => return,
            Verdict::AfterAGap => self.tell(Heard::Interrupted),
            Verdict::Next => {}
        }
        self.tell(Heard::Announced(Arc::new(numbered.announcement)));
    }

    fn interrupted(&mut self) {
        self.order.interrupted();
        self.tell(Heard::Interrupted);
    }

    fn tell(&self, heard: Heard) {
        match heard {
            Heard::Announced(_) => self.counters.heard.count(),
            Heard::Interrupted => self.counters.interruptions.count(),
        }
        // Nobody may be listening.
        let _ = self.listeners.send(heard);
    }
}

/// Nodes that were named at first stay known, at the end: the others may all go.
fn remember(known: &mut Vec<ConnectionInfo>, nodes: &[ConnectionInfo]) {
    let first = std::mem::replace(known, nodes.to_vec());
    let new = first.into_iter().filter(|node| nodes.iter().all(|n| n.addr() != node.addr()));
    known.extend(new.take(KNOWN_MAX.saturating_sub(nodes.len())).collect::<Vec<_>>());
}

/// Nodes that are remembered; a larger cluster is found through those.
const KNOWN_MAX: usize = 64;
