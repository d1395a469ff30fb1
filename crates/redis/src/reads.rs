//! Reads of values: those that come together go together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_cache::{Answers, GatherLimits, Gathered, Gatherer, L2Error};
use gamemesh_guard::PoolStatistics;
use redis::{Pipeline, Value};

use crate::RedisOptions;
use crate::error::Failure;
use crate::pool::{Pool, Question};

/// Commands on their way before a read waits for company.
const ON_THE_WAY_MAX: usize = 2;

/// Reads that go together: others should not wait for long behind large values.
const TOGETHER_MAX: usize = 64;

pub(crate) struct Reads {
    pool: Arc<Pool>,
    timeout: Duration,
    gatherer: Arc<Gatherer<Pipelined>>,
}

/// Reads in one piece, by the names of their values.
struct Pipelined(Arc<Pool>);

type Answer = Result<Found, L2Error>;

/// What lies under a name.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Nothing,
    Bytes(Bytes),
    /// Something that is no string.
    Foreign,
}

impl Reads {
    /// Must be called on the runtime that the cache is used on.
    pub(crate) fn new(pool: Arc<Pool>, options: &RedisOptions) -> Self {
        let limits = GatherLimits {
            on_the_way: ON_THE_WAY_MAX,
            together: TOGETHER_MAX,
            waiting: options.waiters_max as usize,
        };
        let gatherer = Gatherer::new(Pipelined(pool.clone()), limits);
        Self { pool, timeout: options.timeout, gatherer }
    }

    /// Those that wait for one on its way stand in a line before that of the pool.
    pub(crate) fn count_in(&self, pool: PoolStatistics) -> PoolStatistics {
        PoolStatistics {
            waiters: pool.waiters + self.gatherer.waiting() as u32,
            refused_total: pool.refused_total + self.gatherer.refused_total(),
            ..pool
        }
    }

    pub(crate) async fn get(&self, name: &str) -> Answer {
        // Each node has one connection for all commands as it is, and those of one node shall not
        // wait for another.
        if self.pool.is_cluster() {
            return self.alone(name).await;
        }
        let answer = match self.gatherer.join(|| name.to_owned()) {
            Gathered::Alone(_on_the_way) => return self.alone(name).await,
            Gathered::Together(answer) => answer,
            Gathered::Refused => return Err(L2Error::PoolExhausted),
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| unavailable("the cache is closed".to_owned())),
            Err(_) => unavailable(format!("no answer within {} ms", self.timeout.as_millis())),
        }
    }

    async fn alone(&self, name: &str) -> Answer {
        found(self.pool.ask(Question::Keys(redis::cmd("GET").arg(name))).await)
    }
}

impl Answers for Pipelined {
    type Question = String;
    type Answer = Answer;

    async fn answer_each(&self, names: Vec<String>) -> Vec<Answer> {
        let mut gets = Pipeline::with_capacity(names.len());
        for name in &names {
            gets.cmd("GET").arg(name);
        }
        match self.0.ask(Question::Each(&gets)).await {
            Ok(Value::Array(values)) if values.len() == names.len() => {
                let answer = |value: Value| found(value.extract_error().map_err(Failure::of));
                values.into_iter().map(answer).collect()
            }
            Ok(_) => vec![unavailable("it did not answer each".to_owned()); names.len()],
            Err(failure) => vec![Err(failure.into()); names.len()],
        }
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
