//! The port on Redis.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_cache::{
    Announcement, BROADCAST_EVENTS_MAX, BroadcastEvent, Envelope, Fill, L2, L2Error, L2Statistics,
};
use gamemesh_guard::PoolStatistics;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::address::Address;
use crate::announcement::Numbered;
use crate::client::{Client, Command};
use crate::counters::{Counter, Counters};
use crate::error::{Failure, OpenError};
use crate::keys::Keys;
use crate::listener::Listener;
use crate::order::Order;
use crate::reads::{Found, Reads};
use crate::script::{Call, Scripts};
use crate::{RedisOptions, announcement, envelope};

/// How much of a value's lifetime is left to chance.
const JITTER: f64 = 0.2;

/// A cache on Redis.
pub struct RedisCache {
    options: RedisOptions,
    keys: Keys,
    channel: String,
    client: Arc<Client>,
    reads: Reads,
    pub(crate) scripts: Scripts,
    /// Tells this caller from others.
    caller: u64,
    /// How many announcements of each lane there were.
    announced: Mutex<HashMap<u16, u64>>,
    listeners: broadcast::Sender<BroadcastEvent>,
    pub(crate) counters: Arc<Counters>,
    listening: JoinHandle<()>,
}

impl RedisCache {
    /// The cache of this store at these addresses. Nothing is sent to Redis here: it may be unavailable.
    ///
    /// Must be called on the runtime that the cache is used on.
    pub fn open(url: &str, store: [u8; 16], options: RedisOptions) -> Result<Self, OpenError> {
        let address = Address::parse(url, &options.tls)?;
        let keys = Keys::new(store);
        let counters = Arc::new(Counters::default());
        let client = Arc::new(Client::new(&address, &options, counters.clone())?);
        let listeners = broadcast::Sender::new(BROADCAST_EVENTS_MAX);
        let listener = Listener {
            address,
            channel: keys.channel(),
            slot: keys.channel_slot(),
            listeners: listeners.clone(),
            counters: counters.clone(),
            order: Order::default(),
        };
        Ok(Self {
            channel: keys.channel(),
            reads: Reads::new(client.clone(), &options),
            client,
            scripts: Scripts::new(),
            caller: rand::random(),
            announced: Mutex::default(),
            listening: tokio::spawn(listener.run()),
            options,
            keys,
            listeners,
            counters,
        })
    }

    pub fn statistics(&self) -> L2Statistics {
        self.counters.statistics()
    }

    /// In a cluster, whose nodes have one connection each, these are commands in flight.
    pub fn pool_statistics(&self) -> PoolStatistics {
        self.reads.add_waiters(self.client.statistics())
    }

    pub(crate) async fn call(&self, call: Call) -> Result<Value, Failure> {
        match self.client.execute(Command::Keys(&call.by_hash)).await {
            Err(failure) if failure.is_no_script() => {
                self.client.execute(Command::Keys(&call.whole)).await
            }
            other => other,
        }
    }

    fn miss(&self, damaged: bool) -> Option<Envelope> {
        self.counters.misses.count();
        if damaged {
            self.counters.damaged.count();
        }
        None
    }
}

impl Drop for RedisCache {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[async_trait]
impl L2 for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Envelope>, L2Error> {
        let name = self.keys.value(key);
        let bytes = match self.reads.get(&name).await? {
            Found::Bytes(bytes) => bytes,
            Found::Nothing => return Ok(self.miss(false)),
            Found::Foreign => return Ok(self.miss(true)),
        };
        let Some(envelope) = envelope::decode(&name, &bytes) else {
            // It would refuse what is put. If it cannot be removed, it expires.
            let _ = self.call(self.scripts.drop(&name, &bytes)).await;
            return Ok(self.miss(true));
        };
        self.counters.hits.count();
        Ok(Some(envelope))
    }

    async fn put(&self, key: &str, envelope: Envelope) -> Result<(), L2Error> {
        if envelope.value.len() > self.options.value_bytes_max {
            self.counters.puts_too_large.count();
            return Ok(());
        }
        let (name, claim) = (self.keys.value(key), self.keys.claim(key));
        let bytes = envelope::encode(&name, &envelope);
        let chance = 1.0 - JITTER * rand::random::<f64>();
        let ttl_ms = self.options.lifetimes.value.mul_f64(chance).as_millis() as u64;
        let caller = self.caller.to_be_bytes();
        let call = self.scripts.put([&name, &claim], &bytes, ttl_ms.max(1), &caller);
        let count: &Counter = match self.call(call).await? {
            Value::Int(1) => &self.counters.puts,
            _ => &self.counters.puts_refused,
        };
        count.count();
        Ok(())
    }

    async fn claim(&self, key: &str) -> Result<Fill, L2Error> {
        let mut set = redis::cmd("SET");
        let lifetime_ms = self.options.lifetimes.claim.as_millis().max(1) as u64;
        set.arg(self.keys.claim(key)).arg(self.caller.to_be_bytes().as_slice());
        set.arg("NX").arg("PX").arg(lifetime_ms);
        match self.client.execute(Command::Keys(&set)).await? {
            Value::Nil => Ok(Fill::Others),
            _ => Ok(Fill::Yours),
        }
    }

    async fn announce(&self, announcement: Announcement) -> Result<(), L2Error> {
        let number = {
            let mut announced = self.announced.lock();
            let next = announced.entry(announcement.lane).or_default();
            let number = *next;
            *next += 1;
            number
        };
        let numbered = Numbered { caller: self.caller, number, announcement };
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.channel).arg(announcement::encode(&numbered));
        self.client.execute(Command::AtSlot(self.keys.channel_slot(), &publish)).await?;
        self.counters.announced.count();
        Ok(())
    }

    fn subscribe(&self) -> broadcast::Receiver<BroadcastEvent> {
        self.listeners.subscribe()
    }

    async fn ping(&self) -> Result<(), L2Error> {
        Ok(self.client.execute(Command::Ping).await.map(drop)?)
    }
}

impl std::fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisCache").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
