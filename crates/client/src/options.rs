//! What a caller can choose.

use std::time::Duration;

/// How a [`Client`](crate::Client) connects and calls.
#[derive(Clone)]
pub struct ClientOptions {
    /// Bearer token, sent with every call.
    pub token: Option<String>,
    /// What `https://` servers are checked with, and who this client is to them.
    pub tls: TlsOptions,
    /// For a whole call, all its attempts and pauses included.
    pub deadline: Duration,
    /// For the connection to be established.
    pub connect_timeout: Duration,
    pub retry: RetryOptions,
    /// Put an idempotency key on every write that has none. Without one a write is never retried.
    pub idempotency_keys: bool,
}

/// Without the token: what is printed ends in logs.
impl std::fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientOptions")
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("tls", &self.tls)
            .field("deadline", &self.deadline)
            .field("connect_timeout", &self.connect_timeout)
            .field("retry", &self.retry)
            .field("idempotency_keys", &self.idempotency_keys)
            .finish()
    }
}

/// How servers are trusted that are reached over `https://`.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// Authorities that sign the servers' certificates, in PEM; without them the machine's count.
    pub ca_pem: Option<String>,
    /// A certificate and its private key, in PEM, for servers that ask for one (mTLS).
    pub identity_pem: Option<(String, PrivateKeyPem)>,
}

/// A private key in PEM. It is not printed.
#[derive(Clone)]
pub struct PrivateKeyPem(pub String);

impl std::fmt::Debug for PrivateKeyPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKeyPem")
    }
}

/// When and how often a call is made again.
#[derive(Debug, Clone)]
pub struct RetryOptions {
    /// Attempts of one call, the first included; 1 turns retries off.
    pub attempts_max: u32,
    /// Upper bound of the first pause; each further one is twice as long.
    pub pause_first: Duration,
    /// No pause is longer, unless the server asks for it.
    pub pause_max: Duration,
    /// A watch that could not be resumed for this long ends with the last error.
    pub watch_gives_up_after: Duration,
    /// A read that has no answer by then is sent to a second instance too, and the first answer
    /// counts. Paid from the retry budget; off by default. About the P95 of reads is a good value.
    pub hedge_reads_after: Option<Duration>,
    /// Retries that all calls of a client together can make at once; ten successful calls earn one more.
    /// Calls that may go elsewhere from an instance that is gone are not counted.
    pub retries_at_once: u32,
    /// While no instance is there, calls that may be repeated wait for one until their deadline, and are
    /// counted neither as attempts nor as retries: a server that restarts is not loaded by them. Off by
    /// default: they fail after `attempts_max` attempts.
    pub wait_for_ready: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            token: None,
            tls: TlsOptions::default(),
            deadline: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            retry: RetryOptions::default(),
            idempotency_keys: true,
        }
    }
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            attempts_max: 5,
            pause_first: Duration::from_millis(50),
            pause_max: Duration::from_secs(2),
            watch_gives_up_after: Duration::from_secs(300),
            hedge_reads_after: None,
            retries_at_once: 10,
            wait_for_ready: false,
        }
    }
}

impl RetryOptions {
    /// Every call is made once.
    pub fn none() -> Self {
        Self { attempts_max: 1, ..Self::default() }
    }
}
