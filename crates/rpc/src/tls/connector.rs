//! Connections that this process opens to others of its installation: their certificates are verified, and
//! its own is shown.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use gamemesh_domain::Error;
use http::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tonic::transport::{Channel, Endpoint};

use super::{PROTOCOLS, authorities, certificates, native_roots, private_key, provider};
use crate::config::{PeerTlsConfig, ServerConfig};
use crate::replaced::stamp;

/// A connection is made within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes that another process may send ahead on one stream and on the connection.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// How often a process with calls in flight is asked for a sign of life, and how long it is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pings {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

impl Pings {
    fn set(self, endpoint: Endpoint) -> Endpoint {
        endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(self.interval)
            .keep_alive_timeout(self.timeout)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
    }
}

/// A connection to another process.
pub type Connection = Either<TcpStream, Box<TlsStream<TcpStream>>>;

type Stamps = Vec<Option<(SystemTime, u64)>>;

/// Connects to other processes of the installation. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Connector(Option<Arc<Tls>>);

#[derive(Debug)]
struct Tls {
    files: PeerTlsConfig,
    /// Whether the other instances of this service speak TLS, as this one does.
    is_ours: bool,
    loaded: Mutex<Loaded>,
    /// A handshake has failed since the last one that did not, so that an outage is logged once.
    has_failed: AtomicBool,
}

#[derive(Debug, Clone)]
struct Loaded {
    seen: Stamps,
    http2: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

impl Connector {
    /// What the configuration says. An error names the file that cannot be used.
    pub fn new(config: &ServerConfig) -> io::Result<Self> {
        let calls_tls = config.peers.addresses.iter().any(|(_, url)| url.starts_with("https://"));
        if config.tls.is_none() && !calls_tls {
            return Ok(Self(None));
        }
        let files = config.peers.tls.clone();
        let loaded = Mutex::new(Loaded::read(&files)?);
        let (is_ours, has_failed) = (config.tls.is_some(), AtomicBool::new(false));
        Ok(Self(Some(Arc::new(Tls { files, is_ours, loaded, has_failed }))))
    }

    /// Opens a connection for HTTP/1.1 to another instance, at `host:port`.
    pub async fn connect(&self, address: &str) -> io::Result<Connection> {
        match self.0.as_ref().filter(|tls| tls.is_ours) {
            None => Ok(Either::Left(tcp(address).await?)),
            Some(tls) => tls.connect(address, |loaded| &loaded.http1).await.map(Either::Right),
        }
    }

    /// A channel to another instance, at `host:port`, that connects when it is needed.
    pub(crate) fn to_instance(&self, address: &str, pings: Pings) -> Result<Channel, Error> {
        let is_tls = self.0.as_ref().is_some_and(|tls| tls.is_ours);
        self.to_url(&format!("{}://{address}", if is_tls { "https" } else { "http" }), pings)
    }

    /// The same to the address of another service, such as `https://stats:8080`.
    pub(crate) fn to_url(&self, url: &str, pings: Pings) -> Result<Channel, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::internal(format!("{url}: {error}"));
        let uri: Uri = url.parse().map_err(|error| wrong(&error))?;
        let endpoint = |url: &str| {
            Endpoint::from_shared(url.to_owned())
                .map_err(|error| wrong(&error))
                .map(|endpoint| pings.set(endpoint))
        };
        if uri.scheme_str() != Some("https") {
            return Ok(endpoint(url)?.connect_lazy());
        }
        let tls = self.0.clone().ok_or_else(|| wrong(&"TLS is not configured"))?;
        let host = uri.host().ok_or_else(|| wrong(&"it names no host"))?;
        let address = format!("{host}:{}", uri.port_u16().unwrap_or(443));
        // The channel would speak TLS itself for this scheme; it learns of the scheme by the origin.
        let channel = endpoint(&format!("http://{address}"))?.origin(uri);
        Ok(channel.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let (tls, address) = (tls.clone(), address.clone());
            async move { tls.connect(&address, |loaded| &loaded.http2).await.map(TokioIo::new) }
        })))
    }
}

impl Tls {
    async fn connect(
        &self,
        address: &str,
        protocol: fn(&Loaded) -> &Arc<ClientConfig>,
    ) -> io::Result<Box<TlsStream<TcpStream>>> {
        let name = self.name(address)?;
        let stream = tcp(address).await?;
        let connector = TlsConnector::from(protocol(&self.current()).clone());
        let connected = connector.connect(name, stream).await;
        match &connected {
            Ok(_) => self.has_failed.store(false, Ordering::Relaxed),
            Err(error) if !self.has_failed.swap(true, Ordering::Relaxed) => {
                tracing::warn!(address, %error, "another process is not called: TLS");
            }
            Err(_) => {}
        }
        connected.map(Box::new)
    }

    /// The name that the certificate must have.
    fn name(&self, address: &str) -> io::Result<ServerName<'static>> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = self.files.name.as_deref().unwrap_or(host).to_owned();
        ServerName::try_from(name)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    /// With the certificates of now. Files that do not belong together change nothing.
    fn current(&self) -> Loaded {
        let mut loaded = self.loaded.lock();
        if loaded.seen != stamps(&self.files) {
            match Loaded::read(&self.files) {
                Ok(read) => *loaded = read,
                Err(error) => tracing::error!(%error, "the certificates stay as they were"),
            }
        }
        loaded.clone()
    }
}

impl Loaded {
    fn read(files: &PeerTlsConfig) -> io::Result<Self> {
        // Looked at first: what is replaced while it is read is read again.
        let seen = stamps(files);
        let roots = files.ca_file.as_deref().map_or_else(|| Ok(native_roots()), authorities)?;
        let config = client(files, roots)?;
        let with = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        let [http2, http1] = PROTOCOLS;
        Ok(Self { seen, http2: with(http2), http1: with(http1) })
    }
}

fn client(files: &PeerTlsConfig, roots: RootCertStore) -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    match &files.certificate {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate_file, key_file)) => builder
            .with_client_auth_cert(certificates(certificate_file)?, private_key(key_file)?)
            .map_err(|error| super::in_file(certificate_file, error)),
    }
}

fn stamps(files: &PeerTlsConfig) -> Stamps {
    let (certificate, key) = files.certificate.as_ref().map(|(c, k)| (c, k)).unzip();
    [files.ca_file.as_ref(), certificate, key].into_iter().flatten().map(|p| stamp(p)).collect()
}

async fn tcp(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
