//! Reads of values: those that come together go together.
//!
//! A read that comes while others are on their way waits until one of them is back, and then goes with
//! all that wait, in one piece. The round trip is the timer: nobody waits for a clock, and a read that
//! is alone waits for nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_cache::L2Error;
use gamemesh_guard::PoolStatistics;
use parking_lot::Mutex;
use redis::{Pipeline, Value};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::RedisOptions;
use crate::error::Failure;
use crate::pool::{Pool, Question};

/// Commands on their way before a read waits for company.
const ON_THE_WAY_MAX: usize = 2;

/// Reads that go together: others should not wait for long behind large values.
const TOGETHER_MAX: usize = 64;

pub(crate) struct Reads {
    pool: Arc<Pool>,
    runtime: Handle,
    waiting_max: usize,
    timeout: Duration,
    gathering: Mutex<Gathering>,
}

#[derive(Default)]
struct Gathering {
    on_the_way: usize,
    waiting: VecDeque<Waiting>,
    refused_total: u64,
}

struct Waiting {
    name: String,
    reply: oneshot::Sender<Answer>,
}

type Answer = Result<Found, L2Error>;

/// What lies under a name.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Nothing,
    Bytes(Bytes),
    /// Something that is no string.
    Foreign,
}

/// One of the commands on their way. When it is back, those who wait go.
struct Way(Arc<Reads>);

impl Reads {
    /// Must be called on the runtime that the cache is used on.
    pub(crate) fn new(pool: Arc<Pool>, options: &RedisOptions) -> Self {
        Self {
            pool,
            runtime: Handle::current(),
            waiting_max: options.waiters_max as usize,
            timeout: options.timeout,
            gathering: Mutex::default(),
        }
    }

    /// Those that wait for one on its way stand in a line before that of the pool.
    pub(crate) fn count_in(&self, pool: PoolStatistics) -> PoolStatistics {
        let gathering = self.gathering.lock();
        PoolStatistics {
            waiters: pool.waiters + gathering.waiting.len() as u32,
            refused_total: pool.refused_total + gathering.refused_total,
            ..pool
        }
    }

    pub(crate) async fn get(self: &Arc<Self>, name: &str) -> Answer {
        // Each node has one connection for all commands as it is, and those of one node shall not
        // wait for another.
        if self.pool.is_cluster() {
            return self.alone(name).await;
        }
        let answer = {
            let mut gathering = self.gathering.lock();
            if gathering.on_the_way < ON_THE_WAY_MAX {
                gathering.on_the_way += 1;
                None
            } else if gathering.waiting.len() < self.waiting_max {
                let (reply, answer) = oneshot::channel();
                gathering.waiting.push_back(Waiting { name: name.to_owned(), reply });
                Some(answer)
            } else {
                gathering.refused_total += 1;
                return Err(L2Error::PoolExhausted);
            }
        };
        let Some(answer) = answer else {
            let _way = Way(self.clone());
            return self.alone(name).await;
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| unavailable("the cache is closed".to_owned())),
            Err(_) => unavailable(format!("no answer within {} ms", self.timeout.as_millis())),
        }
    }

    async fn alone(&self, name: &str) -> Answer {
        found(self.pool.ask(Question::Keys(redis::cmd("GET").arg(name))).await)
    }

    async fn together(&self, waiting: Vec<Waiting>) {
        let mut gets = Pipeline::with_capacity(waiting.len());
        for Waiting { name, .. } in &waiting {
            gets.cmd("GET").arg(name);
        }
        let answers: Vec<Answer> = match self.pool.ask(Question::Each(&gets)).await {
            Ok(Value::Array(values)) if values.len() == waiting.len() => {
                let answer = |value: Value| found(value.extract_error().map_err(Failure::of));
                values.into_iter().map(answer).collect()
            }
            Ok(_) => vec![unavailable("it did not answer each".to_owned()); waiting.len()],
            Err(failure) => vec![Err(failure.into()); waiting.len()],
        };
        for (Waiting { reply, .. }, answer) in waiting.into_iter().zip(answers) {
            // Whoever asked may have gone away.
            let _ = reply.send(answer);
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let Self(reads) = self;
        let waiting: Vec<Waiting> = {
            let mut gathering = reads.gathering.lock();
            // First of all: behind those who have gone away, others may wait.
            gathering.waiting.retain(|waiting| !waiting.reply.is_closed());
            if gathering.waiting.is_empty() {
                gathering.on_the_way -= 1;
                return;
            }
            let together = gathering.waiting.len().min(TOGETHER_MAX);
            gathering.waiting.drain(..together).collect()
        };
        let way = Self(reads.clone());
        reads.runtime.spawn(async move { way.0.together(waiting).await });
    }
}

fn found(asked: Result<Value, Failure>) -> Answer {
    match asked {
        Ok(Value::BulkString(bytes)) => Ok(Found::Bytes(bytes.into())),
        Ok(_) => Ok(Found::Nothing),
        Err(failure) if failure.is_wrong_type() => Ok(Found::Foreign),
        Err(failure) => Err(failure.into()),
    }
}

fn unavailable(why: String) -> Answer {
    Err(L2Error::Unavailable(why))
}
