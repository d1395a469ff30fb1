//! The machine: limits, clock, port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::{Duration, SystemTime};

use gamemesh_rpc::config::ServerConfig;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;

/// Files that the process has open beside its connections.
const OTHER_FILES: u64 = 256;

/// Before this instant (2026-01-01) the program did not exist: the clock is not set.
const CLOCK_LEAST: Duration = Duration::from_secs(1_767_225_600);

pub(super) fn open_files(config: &ServerConfig) -> Finding {
    const CHECK: &str = "open files";
    let needed = config.listen.connections_max as u64 + OTHER_FILES;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => Finding::warning(
            CHECK,
            format!("limit {limit}, {} connections need {needed}", config.listen.connections_max),
            format!("`ulimit -n {needed}` (LimitNOFILE= in systemd), or a lower --max-connections"),
        ),
        Some(limit) => Finding::ok(CHECK, format!("limit {limit}")),
        None => Finding::ok(CHECK, "no limit"),
    }
}

pub(super) fn clock() -> Finding {
    const CHECK: &str = "clock";
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(now) if now >= CLOCK_LEAST => Finding::ok(CHECK, "is set"),
        _ => Finding::failure(
            CHECK,
            "lies before 2026",
            "set it: events are stamped with it, and tokens expire by it",
        ),
    }
}

/// How long whoever listens on the port may take to say who he is.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn port(config: &ServerConfig) -> Finding {
    const CHECK: &str = "port";
    let addr = config.listen.addr;
    match TcpListener::bind(addr) {
        Ok(_) => Finding::ok(CHECK, format!("{addr} is free")),
        Err(_) if timeout(ASK_TIMEOUT, is_ours(addr)).await == Ok(Some(true)) => {
            Finding::ok(CHECK, format!("a server of gamemesh answers at {addr}"))
        }
        Err(error) => Finding::failure(
            CHECK,
            format!("{addr}: {error}"),
            "stop what listens there (perhaps a server that runs already), or choose another HTTP_ADDR",
        ),
    }
}

/// Whether it is a server of this project that listens there, and is alive.
async fn is_ours(addr: SocketAddr) -> Option<bool> {
    /// More than the answer has.
    const ANSWER_BYTES_MAX: u64 = 4 << 10;
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let mut stream = TcpStream::connect((ip, addr.port())).await.ok()?;
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await.ok()?;
    let (headers, body) = answer.split_once("\r\n\r\n")?;
    let headers = headers.to_ascii_lowercase();
    let is_ours = headers.contains("\r\nx-correlation-id:") && body.contains("\"checks\":{}");
    Some(headers.starts_with("http/1.1 200") && is_ours)
}
