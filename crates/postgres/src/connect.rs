//! Connections and their settings.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_guard::{BreakerPermit, CircuitBreaker};
use gamemesh_repository::{LogError, LogName, seeded_defect};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use crate::PostgresOptions;
use crate::error::{OpenError, log_error};
use crate::schema::namespace;

/// How long a connection may take to be made.
const CONNECT_MS_MAX: u64 = 5_000;

/// How much longer than the server works on a statement its answer is waited for.
const REPLY_EXTRA_MS: u64 = 2_000;

/// Makes connections to one database.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) log: LogName,
    pub(crate) options: PgConnectOptions,
    breaker: Arc<CircuitBreaker>,
    /// How long an answer is waited for before the connection is given up.
    pub(crate) reply_max: Duration,
}

impl Connector {
    pub(crate) fn new(url: &str, options: &PostgresOptions) -> Result<Self, OpenError> {
        // The parser's own message may quote the address, and with it the password.
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(OpenError::Url { why: "it does not begin with postgres://".to_owned() });
        }
        let connect = PgConnectOptions::from_str(url)
            .map_err(|_| OpenError::Url { why: "it cannot be read".to_owned() })?;
        let early = seeded_defect("postgres.acknowledge_early");
        let ms = |duration: Duration| duration.as_millis().to_string();
        let connect = connect
            .application_name(&application_name(options.log))
            .options([
                ("statement_timeout", ms(options.statement_timeout)),
                ("lock_timeout", ms(options.lock_timeout)),
                ("idle_in_transaction_session_timeout", ms(options.idle_in_transaction_timeout)),
                // Acknowledged means durable, whatever the server's default is.
                ("synchronous_commit", if early { "off" } else { "on" }.to_owned()),
                ("default_transaction_isolation", "read committed".to_owned()),
                // Everything here goes by an index. Planned anew for each call, an append of ten events
                // cost five times as much; planned once, while the tables are still small, it must
                // not take a form that suits only those.
                ("plan_cache_mode", "force_generic_plan".to_owned()),
                ("enable_seqscan", "off".to_owned()),
                ("enable_bitmapscan", "off".to_owned()),
                ("enable_hashjoin", "off".to_owned()),
                ("enable_mergejoin", "off".to_owned()),
                ("jit", "off".to_owned()),
                (
                    "default_transaction_read_only",
                    if options.read_only { "on" } else { "off" }.to_owned(),
                ),
            ])
            .disable_statement_logging();
        let connect = match namespace(options.log) {
            // What the address says comes first and is overruled.
            Some(namespace) => connect.options([("search_path", namespace)]),
            None => connect,
        };
        let reply_max = options.statement_timeout + Duration::from_millis(REPLY_EXTRA_MS);
        Ok(Self {
            log: options.log,
            options: connect,
            breaker: Arc::new(CircuitBreaker::new()),
            reply_max,
        })
    }

    /// Refused while the circuit breaker is open.
    pub(crate) fn admit(&self) -> Result<BreakerPermit<'_>, LogError> {
        let away = |_| LogError::Unavailable("PostgreSQL has not answered lately".to_owned());
        self.breaker.try_acquire().map_err(away)
    }

    /// Records a result. Only a server out of reach counts as a failure.
    pub(crate) fn record<T>(&self, result: &Result<T, LogError>) {
        self.breaker.record(!matches!(result, Err(LogError::Unavailable(_))));
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.breaker.is_closed()
    }

    /// A connection of its own, unless the circuit breaker is open.
    pub(crate) async fn connect(&self) -> Result<PgConnection, LogError> {
        let admitted = self.admit()?;
        let connected = self.connect_anyway().await;
        let connected = match connected {
            Ok(mut connection) if admitted.is_probe() => {
                self.probe(&mut connection).await.map(|()| connection)
            }
            other => other,
        };
        self.record(&connected);
        connected
    }

    /// A connection to a server that may be away: for those who can only wait for it.
    pub(crate) async fn connect_anyway(&self) -> Result<PgConnection, LogError> {
        let longest = Duration::from_millis(CONNECT_MS_MAX);
        timely(longest, self.options.connect()).await?.map_err(log_error)
    }

    /// A cheap read, by which a server that was away shows that it is back.
    pub(crate) async fn probe(&self, connection: &mut PgConnection) -> Result<(), LogError> {
        let probing = sqlx::query("SELECT one FROM store").fetch_one(connection);
        timely(self.reply_max, probing).await?.map(drop).map_err(log_error)
    }

    /// Of the server.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.options.get_host(), self.options.get_port())
    }

    /// The address without its password, and where in the database the log is, for messages.
    pub(crate) fn address(&self) -> String {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        let database = self.options.get_database().unwrap_or(self.options.get_username());
        match namespace(self.log) {
            Some(namespace) => {
                format!("postgres://{host}:{port}/{database}, schema {namespace}")
            }
            None => format!("postgres://{host}:{port}/{database}"),
        }
    }
}

/// What the server's own views show.
fn application_name(log: LogName) -> String {
    match log {
        LogName::State => "gamemesh".to_owned(),
        LogName::Combat | LogName::Stats | LogName::Memory => format!("gamemesh-{log}"),
    }
}

/// What comes too late is an answer that is lost: the connection is not to be used again.
pub(crate) async fn timely<T>(
    longest: Duration,
    work: impl Future<Output = T>,
) -> Result<T, LogError> {
    tokio::time::timeout(longest, work)
        .await
        .map_err(|_| LogError::Unavailable("no answer in time".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_secrets() {
        let of = |url| Connector::new(url, &PostgresOptions::default());
        let address = |url| of(url).map(|c| c.address()).unwrap();
        assert_eq!(address("postgres://u:secret@h:77/d"), "postgres://h:77/d");
        assert_eq!(address("postgresql://u@h/d"), "postgres://h:5432/d");
        for url in ["mysql://u:secret@h/d", "postgres:", "postgres://u:secret@h:port/d"] {
            let error = of(url).err().unwrap().to_string();
            assert!(!error.contains("secret") && error.contains("postgres://"), "{url}: {error}");
        }
    }
}
