//! TLS: who we trust, who we are, and who a client's certificate says that he is.

mod connector;

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};

use tokio::task::futures::TaskLocalFuture;

pub(crate) use self::connector::Pings;
pub use self::connector::{Connection, Connector};
use crate::config::{ClientAuth, TlsConfig};

/// What both versions of HTTP are called in a handshake, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The scheme of the ids that a mesh gives to its workloads.
const SPIFFE: &str = "spiffe://";

tokio::task_local! {
    static PEER: PeerIdentity;
}

/// The SPIFFE id in a client certificate that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity(Arc<str>);

impl PeerIdentity {
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Of the client whose request this task answers.
    pub fn current() -> Option<Self> {
        PEER.try_with(Clone::clone).ok()
    }

    /// Answers a request as one of this client: both what is done at once and what takes time.
    pub fn scope<F: Future>(self, begin: impl FnOnce() -> F) -> TaskLocalFuture<Self, F> {
        let future = PEER.sync_scope(self.clone(), begin);
        PEER.scope(self, future)
    }

    /// The first SPIFFE id of the certificate that a client has shown, if it has shown one.
    pub fn of(connection: &ServerConnection) -> Option<Self> {
        let certificate = connection.peer_certificates()?.first()?;
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        certificate.valid_uri_names().find(|uri| uri.starts_with(SPIFFE)).map(Self::new)
    }
}

/// The one provider of cryptography in this process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A client that trusts the machine's certificate authorities, or those of `SSL_CERT_FILE`.
pub fn public_client() -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(builder.with_root_certificates(native_roots()).with_no_client_auth())
}

/// The authorities of the machine, or those of `SSL_CERT_FILE`.
fn native_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    roots
}

/// The server that the files of the configuration describe. An error names the file.
pub fn server(config: &TlsConfig) -> io::Result<ServerConfig> {
    let certificates = certificates(&config.certificate_file)?;
    let key = private_key(&config.key_file)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match &config.client_auth {
        None => builder.with_no_client_auth(),
        Some(ClientAuth { ca_file, is_required }) => {
            let roots = Arc::new(authorities(ca_file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier = if *is_required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(
                verifier.build().map_err(|error| in_file(ca_file, error))?,
            )
        }
    };
    let mut server = builder
        .with_single_cert(certificates, key)
        .map_err(|error| in_file(&config.certificate_file, error))?;
    server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(server)
}

/// The authorities of a file.
fn authorities(path: &Path) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| in_file(path, error))?;
    }
    Ok(roots)
}

fn private_key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| in_file(path, error))
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| in_file(path, error))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| in_file(path, error))?;
    if found.is_empty() {
        return Err(in_file(path, "has no certificate"));
    }
    Ok(found)
}

fn in_file(path: &Path, what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
}
