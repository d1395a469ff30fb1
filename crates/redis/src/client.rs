//! The way to Redis: a circuit breaker and a bounded wait queue before the pool of connections.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_guard::{
    BreakerPermit, CircuitBreaker, PoolStatistics, QueueError, Transition, WaitQueue,
};
use redis::{Cmd, Pipeline, Value};

use crate::RedisOptions;
use crate::address::Address;
use crate::connection::Connection;
use crate::connections::Connections;
use crate::counters::Counters;
use crate::error::{Failure, OpenError};

pub(crate) struct Client {
    connections: Connections,
    breaker: CircuitBreaker,
    queue: WaitQueue,
    wait_max: Duration,
    timeout: Duration,
    counters: Arc<Counters>,
}

/// A command, and where to.
#[derive(Clone, Copy)]
pub(crate) enum Command<'a> {
    /// To where its keys are.
    Keys(&'a Cmd),
    /// Several at once; answered with an array, in which there can be errors.
    Pipeline(&'a Pipeline),
    /// To the node that has this slot.
    AtSlot(u16, &'a Cmd),
    /// To any node, whether the breaker is open or not: health wants to know, not to be served.
    Ping,
}

impl Client {
    /// Needs the runtime, on which connections live.
    pub(crate) fn new(
        address: &Address,
        options: &RedisOptions,
        counters: Arc<Counters>,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            connections: Connections::new(address, options)?,
            breaker: CircuitBreaker::new(),
            queue: WaitQueue::new(options.connections_max, options.waiters_max),
            wait_max: options.queue_wait_max(),
            timeout: options.timeout,
            counters,
        })
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.connections.is_cluster()
    }

    /// The answer, within the time of an operation.
    pub(crate) async fn execute(&self, command: Command<'_>) -> Result<Value, Failure> {
        let answered = self.admitted(command).await;
        if answered.as_ref().is_err_and(|failure| !failure.is_answer()) {
            self.counters.failures.count();
        }
        answered
    }

    async fn admitted(&self, command: Command<'_>) -> Result<Value, Failure> {
        let began = tokio::time::Instant::now();
        let admitted = match (self.breaker.try_acquire(), command) {
            (Ok(permit), _) => Some(permit),
            (Err(_), Command::Ping) => None,
            (Err(_), _) => {
                return Err(Failure::Unavailable("it has not answered lately".to_owned()));
            }
        };
        let is_probe = admitted.as_ref().is_some_and(BreakerPermit::is_probe);
        let permit = self.queue.acquire(self.wait_max).await;
        let _permit = permit.map_err(|refused| match refused {
            QueueError::Full | QueueError::TimedOut => Failure::PoolExhausted,
            QueueError::Closed => Failure::Unavailable("the cache is closed".to_owned()),
        })?;
        let executing = self.on_some_connection(is_probe, command);
        let answered = tokio::time::timeout_at(began + self.timeout, executing).await;
        let answered = answered.unwrap_or_else(|_| {
            let waited_ms = self.timeout.as_millis();
            Err(Failure::Unavailable(format!("no answer within {waited_ms} ms")))
        });
        self.record(&answered);
        answered
    }

    pub(crate) fn statistics(&self) -> PoolStatistics {
        self.queue.statistics(self.connections.idle(), self.breaker.is_closed())
    }

    async fn on_some_connection(
        &self,
        is_probe: bool,
        command: Command<'_>,
    ) -> Result<Value, Failure> {
        let connection = self.connections.get().await?;
        let is_reused = connection.is_reused();
        match self.on(connection, is_probe, command).await {
            // A connection does not notice that the server was started again before it is used; nor do the
            // other idle ones.
            Err(Failure::Disconnected(_)) if is_reused => self.connections.clear(),
            answered => return answered,
        }
        self.on(self.connections.get().await?, is_probe, command).await
    }

    async fn on(
        &self,
        mut connection: Connection,
        is_probe: bool,
        command: Command<'_>,
    ) -> Result<Value, Failure> {
        if is_probe {
            connection.probe().await?;
        }
        let answered = match command {
            Command::Keys(command) => connection.execute(command).await,
            Command::Pipeline(commands) => connection.execute_each(commands).await,
            Command::AtSlot(slot, command) => connection.execute_at(slot, command).await,
            Command::Ping => connection.ping().await.map(|()| Value::Okay),
        };
        if answered.as_ref().map_or_else(Failure::is_answer, |_| true) {
            connection.give_back();
        }
        answered
    }

    fn record(&self, answered: &Result<Value, Failure>) {
        let is_reached = answered.as_ref().map_or_else(Failure::is_answer, |_| true);
        if !is_reached {
            self.connections.refresh_topology();
        }
        match (self.breaker.record(is_reached), answered) {
            (Some(Transition::Opened), Err(failure)) => {
                self.connections.clear();
                tracing::warn!(?failure, "Redis is unavailable: reads and writes go on without it");
            }
            (Some(Transition::Closed), _) => tracing::info!("Redis is available again"),
            _ => {}
        }
    }
}
