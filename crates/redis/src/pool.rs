//! The way to Redis: a breaker, a bounded line, connections that are kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_guard::{Entry, Gate, Line, PoolStatistics, Refused, Turn};
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};

use crate::RedisOptions;
use crate::connection::{Connection, Connector};
use crate::counters::Counters;
use crate::error::Failure;

/// Connections that nobody needed for this time are closed.
const IDLE: Duration = Duration::from_secs(300);

pub(crate) struct Pool {
    connector: Connector,
    gate: Gate,
    line: Line,
    line_max: Duration,
    timeout: Duration,
    counters: Arc<Counters>,
    /// The one used last is at the end and is used next, so that those too many become old.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A command, and where to.
#[derive(Clone, Copy)]
pub(crate) enum Question<'a> {
    /// To where its keys are.
    Keys(&'a Cmd),
    /// Several at once; answered with an array, in which there can be errors.
    Each(&'a Pipeline),
    /// To the node that has this slot.
    At(u16, &'a Cmd),
    /// To anybody, whether the breaker is open or not: whoever asks wants to know, not to be served.
    Ping,
}

impl Pool {
    pub(crate) fn new(
        connector: Connector,
        options: &RedisOptions,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            connector,
            gate: Gate::new(),
            line: Line::new(options.connections_max, options.waiters_max),
            line_max: options.line_max(),
            timeout: options.timeout,
            counters,
            idle: Mutex::default(),
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        !self.connector.keeps()
    }

    /// The answer, within the time of an operation.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Value, Failure> {
        let asked = self.admitted(question).await;
        if asked.as_ref().is_err_and(|failure| !failure.reached()) {
            self.counters.failures.count();
        }
        asked
    }

    async fn admitted(&self, question: Question<'_>) -> Result<Value, Failure> {
        let began = tokio::time::Instant::now();
        let entry = match (self.gate.enter(), question) {
            (Ok(entry), _) => Some(entry),
            (Err(_), Question::Ping) => None,
            (Err(_), _) => return Err(Failure::Away("it has not answered lately".to_owned())),
        };
        let probes = entry.as_ref().is_some_and(Entry::probes);
        let place = self.line.enter(self.line_max).await;
        let _place = place.map_err(|refused| match refused {
            Refused::LineFull | Refused::WaitedInVain => Failure::Crowded,
            Refused::Closed => Failure::Away("the cache is closed".to_owned()),
        })?;
        let asking = self.on_some_connection(probes, question);
        let asked = tokio::time::timeout_at(began + self.timeout, asking).await;
        let asked = asked.unwrap_or_else(|_| {
            Err(Failure::Away(format!("no answer within {} ms", self.timeout.as_millis())))
        });
        self.note(&asked);
        asked
    }

    pub(crate) fn statistics(&self) -> PoolStatistics {
        self.line.statistics(self.idle.lock().len() as u32, self.gate.is_closed())
    }

    async fn on_some_connection(
        &self,
        probes: bool,
        question: Question<'_>,
    ) -> Result<Value, Failure> {
        let idle = self.idle.lock().pop();
        if let Some(Idle { connection, .. }) = idle {
            match self.on(connection, probes, question).await {
                // It does not notice that the server was started again before it is used; nor do
                // the others.
                Err(Failure::Ended(_)) => self.idle.lock().clear(),
                asked => return asked,
            }
        }
        self.on(self.connector.connect().await?, probes, question).await
    }

    async fn on(
        &self,
        mut connection: Connection,
        probes: bool,
        question: Question<'_>,
    ) -> Result<Value, Failure> {
        if probes {
            connection.probe().await?;
        }
        let asked = match question {
            Question::Keys(command) => connection.ask(command).await,
            Question::Each(commands) => connection.ask_each(commands).await,
            Question::At(slot, command) => connection.ask_at(slot, command).await,
            Question::Ping => connection.ping().await.map(|()| Value::Okay),
        };
        // Where there is no answer it may still come, and nobody should wait behind it.
        if self.connector.keeps() && asked.as_ref().map_or_else(Failure::reached, |_| true) {
            self.keep(connection);
        }
        asked
    }

    fn keep(&self, connection: Connection) {
        let now = Instant::now();
        let mut idle = self.idle.lock();
        let old = idle.iter().take_while(|kept| now.duration_since(kept.since) > IDLE).count();
        idle.drain(..old);
        idle.push(Idle { connection, since: now });
    }

    fn note(&self, asked: &Result<Value, Failure>) {
        let reached = asked.as_ref().map_or_else(Failure::reached, |_| true);
        if !reached {
            self.connector.doubt();
        }
        match (self.gate.note(reached), asked) {
            (Some(Turn::Shut), Err(failure)) => {
                self.idle.lock().clear();
                tracing::warn!(?failure, "Redis is away: reads and writes go on without it");
            }
            (Some(Turn::Opened), _) => tracing::info!("Redis is back"),
            _ => {}
        }
    }
}
