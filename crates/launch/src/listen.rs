//! The listening socket, and telling others where it is.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// What the kernel takes of a connection whose peer does not read, in bytes, beside what is on its way. Without
/// it that would be megabytes, and nobody would notice for minutes.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 32 << 10;

/// A bound socket. With port 0 its address says which port was free.
#[derive(Debug)]
pub struct Listener {
    pub(crate) tcp: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Binds the address. A restarted server gets its port back although old connections linger.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let explain = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}"))
        };
        let bind = || {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            // What is accepted here inherits it.
            #[cfg(target_os = "linux")]
            socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
            socket.bind(&addr.into())?;
            socket.listen(BACKLOG)?;
            let tcp = TcpListener::from_std(socket.into())?;
            let addr = tcp.local_addr()?;
            Ok(Self { tcp, addr })
        };
        bind().map_err(explain)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Writes the port so that a reader sees the whole number or no file.
pub(crate) fn write_port_file(path: &Path, port: u16) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}", std::process::id()));
    let mut file = std::fs::File::create(&temporary)?;
    writeln!(file, "{port}")?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}
