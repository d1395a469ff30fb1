//! Named questions to the dependencies.

use std::fmt;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use gamemesh_domain::Error;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// A dependency that does not answer within this time is not healthy.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers are reused for this long: probes, however many, cost the dependencies nothing more.
const ANSWER_AGE_MAX: Duration = Duration::from_millis(500);

type Ask = Box<dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// One dependency and how to ask it.
pub struct Check {
    name: &'static str,
    needed: bool,
    ask: Ask,
}

impl Check {
    /// ```
    /// use gamemesh_rpc::health::Check;
    /// let check = Check::new("database", || async { Ok(()) });
    /// ```
    pub fn new<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self { name, needed: true, ask: Box::new(move || Box::pin(ask())) }
    }

    /// A dependency that the process can do without for a while: when it is away the process is
    /// degraded, and stays ready.
    #[must_use]
    pub fn dispensable(self) -> Self {
        Self { needed: false, ..self }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// What a dependency answered. A failure's message is the public one: readiness is public.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckReport {
    pub name: &'static str,
    pub latency: Duration,
    pub problem: Option<String>,
    /// Whether the process is ready without it.
    pub needed: bool,
}

impl CheckReport {
    pub fn is_healthy(&self) -> bool {
        self.problem.is_none()
    }

    /// Whether the process can serve as far as this dependency goes.
    pub fn lets_serve(&self) -> bool {
        self.is_healthy() || !self.needed
    }

    pub(super) fn to_json(&self) -> Value {
        // Microseconds are enough, and shorter than the digits of a float.
        let latency_ms = (self.latency.as_secs_f64() * 1e6).round() / 1e3;
        match &self.problem {
            None => json!({ "status": "healthy", "latency_ms": latency_ms }),
            Some(problem) => {
                let status = if self.needed { "unhealthy" } else { "degraded" };
                json!({ "status": status, "latency_ms": latency_ms, "error": problem })
            }
        }
    }
}

/// All checks of a process, asked together.
#[derive(Debug, Default)]
pub struct Checks {
    checks: Vec<Check>,
    last: Mutex<Option<(Instant, Vec<CheckReport>)>>,
}

impl Checks {
    pub fn new(checks: Vec<Check>) -> Self {
        Self { checks, last: Mutex::default() }
    }

    /// Asks every dependency at once. Callers that come together share one answer.
    pub async fn run(&self) -> Vec<CheckReport> {
        let mut last = self.last.lock().await;
        if let Some((at, reports)) = last.as_ref()
            && at.elapsed() < ANSWER_AGE_MAX
        {
            return reports.clone();
        }
        let reports = join_all(self.checks.iter().map(ask)).await;
        *last = Some((Instant::now(), reports.clone()));
        reports
    }
}

async fn ask(check: &Check) -> CheckReport {
    let started = Instant::now();
    let problem = match tokio::time::timeout(CHECK_TIMEOUT, (check.ask)()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            tracing::warn!(check = check.name, %error, "a dependency is not healthy");
            Some(error.message)
        }
        Err(_) => {
            tracing::warn!(check = check.name, "a dependency did not answer in time");
            Some(format!("no answer within {} ms", CHECK_TIMEOUT.as_millis()))
        }
    };
    CheckReport { name: check.name, latency: started.elapsed(), problem, needed: check.needed }
}
