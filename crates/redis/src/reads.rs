//! Reads of values: those that arrive together are sent together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_cache::{BatchFn, BatchLimits, BatchSlot, Batcher, L2Error};
use gamemesh_guard::PoolStatistics;
use redis::{Pipeline, Value};

use crate::RedisOptions;
use crate::client::{Client, Command};
use crate::error::Failure;

/// Commands in flight before a read waits for the next batch.
const IN_FLIGHT_MAX: usize = 2;

/// Reads of a batch: others should not wait for long behind large values.
const BATCH_READS_MAX: usize = 64;

pub(crate) struct Reads {
    client: Arc<Client>,
    timeout: Duration,
    batcher: Arc<Batcher<Pipelined>>,
}

/// Reads in one pipeline, by the names of their values.
struct Pipelined(Arc<Client>);

type Response = Result<Found, L2Error>;

/// What lies under a name.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Nothing,
    Bytes(Bytes),
    /// Another type than a string.
    Foreign,
}

impl Reads {
    /// Must be called on the runtime that the cache is used on.
    pub(crate) fn new(client: Arc<Client>, options: &RedisOptions) -> Self {
        let limits = BatchLimits {
            in_flight_max: IN_FLIGHT_MAX,
            batch_max: BATCH_READS_MAX,
            waiting_max: options.waiters_max as usize,
        };
        let batcher = Batcher::new(Pipelined(client.clone()), limits);
        Self { client, timeout: options.timeout, batcher }
    }

    /// Reads that wait for a batch are waiters too.
    pub(crate) fn add_waiters(&self, pool: PoolStatistics) -> PoolStatistics {
        PoolStatistics {
            waiters: pool.waiters + self.batcher.waiting() as u32,
            refused_total: pool.refused_total + self.batcher.refused_total(),
            ..pool
        }
    }

    pub(crate) async fn get(&self, name: &str) -> Response {
        // Each node has one connection for all commands anyway, and reads of one node should not wait for
        // another node.
        if self.client.is_cluster() {
            return self.single(name).await;
        }
        let response = match self.batcher.join(|| name.to_owned()) {
            BatchSlot::Single(_in_flight) => return self.single(name).await,
            BatchSlot::Batched(response) => response,
            BatchSlot::Full => return Err(L2Error::PoolExhausted),
        };
        match tokio::time::timeout(self.timeout, response).await {
            Ok(response) => {
                response.unwrap_or_else(|_| unavailable("the cache is closed".to_owned()))
            }
            Err(_) => unavailable(format!("no answer within {} ms", self.timeout.as_millis())),
        }
    }

    async fn single(&self, name: &str) -> Response {
        found(self.client.execute(Command::Keys(redis::cmd("GET").arg(name))).await)
    }
}

impl BatchFn for Pipelined {
    type Request = String;
    type Response = Response;

    async fn call(&self, names: Vec<String>) -> Vec<Response> {
        let mut gets = Pipeline::with_capacity(names.len());
        for name in &names {
            gets.cmd("GET").arg(name);
        }
        match self.0.execute(Command::Pipeline(&gets)).await {
            Ok(Value::Array(values)) if values.len() == names.len() => {
                let answer =
                    |value: Value| found(value.extract_error().map_err(Failure::from_redis));
                values.into_iter().map(answer).collect()
            }
            Ok(_) => vec![unavailable("it did not answer each".to_owned()); names.len()],
            Err(failure) => vec![Err(failure.into()); names.len()],
        }
    }
}

fn found(answered: Result<Value, Failure>) -> Response {
    match answered {
        Ok(Value::BulkString(bytes)) => Ok(Found::Bytes(bytes.into())),
        Ok(_) => Ok(Found::Nothing),
        Err(failure) if failure.is_wrong_type() => Ok(Found::Foreign),
        Err(failure) => Err(failure.into()),
    }
}

fn unavailable(why: String) -> Response {
    Err(L2Error::Unavailable(why))
}
