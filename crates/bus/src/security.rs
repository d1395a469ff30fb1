//! How brokers are spoken to: in the clear or with TLS, as nobody or as somebody.

use std::fmt;
use std::path::PathBuf;

/// Settings of connections to brokers. The default is plain text without a name.
#[derive(Clone, Default)]
pub struct BrokerSecurity {
    pub protocol: SecurityProtocol,
    /// Required by the protocols with SASL, and only there.
    pub sasl: Option<Sasl>,
    /// Authorities that brokers' certificates are checked with; without it, those of the system.
    pub ca_file: Option<PathBuf>,
    /// A certificate of the client and its key, both or neither.
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub key_password: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecurityProtocol {
    #[default]
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

/// Who the client says it is.
#[derive(Clone)]
pub struct Sasl {
    pub mechanism: SaslMechanism,
    pub username: String,
    pub password: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

impl SecurityProtocol {
    pub const ALL: [Self; 4] = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

impl SaslMechanism {
    pub const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Without what is secret.
impl fmt::Debug for BrokerSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerSecurity")
            .field("protocol", &self.protocol)
            .field("sasl", &self.sasl.as_ref().map(|sasl| (sasl.mechanism, &sasl.username)))
            .field("ca_file", &self.ca_file)
            .field("certificate_file", &self.certificate_file)
            .finish_non_exhaustive()
    }
}
