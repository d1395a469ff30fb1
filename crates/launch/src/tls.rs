//! TLS on the one port: the handshake, and certificates that change while the process runs.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use gamemesh_rpc::config::TlsConfig;
use gamemesh_rpc::replaced::stamp;
use gamemesh_rpc::tls;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// Files are looked at this often.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// A client has this long for the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Accepts TLS with the certificates of now. Connections that are open keep what they began with.
#[derive(Clone)]
pub(crate) struct Tls {
    files: TlsConfig,
    server: Arc<ArcSwap<ServerConfig>>,
}

impl Tls {
    pub(crate) fn new(files: &TlsConfig) -> io::Result<Self> {
        let server = tls::server(files)?;
        Ok(Self { files: files.clone(), server: Arc::new(ArcSwap::from_pointee(server)) })
    }

    /// The stream behind the handshake; `None` if the client did not bring it to its end.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let acceptor = tokio_rustls::TlsAcceptor::from(self.server.load_full());
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!(timeout = ?HANDSHAKE_TIMEOUT, "a TLS handshake took too long");
                None
            }
        }
    }

    /// Takes certificates that have changed, until `stop` is cancelled. Files that do not belong together
    /// change nothing.
    pub(crate) async fn reload(self, stop: CancellationToken) {
        let mut seen = self.changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RELOAD_INTERVAL) => {}
            }
            let now = self.changed();
            if now == seen {
                continue;
            }
            match tls::server(&self.files) {
                Ok(server) => {
                    self.server.store(Arc::new(server));
                    seen = now;
                    tracing::info!("the certificates are read");
                }
                // Perhaps only some of the files are there yet: they are looked at again.
                Err(error) => tracing::error!(%error, "the certificates stay as they were"),
            }
        }
    }

    fn changed(&self) -> Vec<Option<(SystemTime, u64)>> {
        let TlsConfig { certificate_file, key_file, client_auth, .. } = &self.files;
        let ca_file = client_auth.as_ref().map(|client| client.ca_file.as_path());
        let files = [Some(certificate_file.as_path()), Some(key_file.as_path()), ca_file];
        files.into_iter().flatten().map(stamp).collect()
    }
}
