//! The machine: limits, clock, port.

use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use gamemesh_rpc::config::ServerConfig;
use rustix::process::{Resource, getrlimit};

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

pub(super) fn port(config: &ServerConfig) -> Finding {
    const CHECK: &str = "port";
    let addr = config.listen.addr;
    match TcpListener::bind(addr) {
        Ok(_) => Finding::ok(CHECK, format!("{addr} is free")),
        Err(error) => Finding::failure(
            CHECK,
            format!("{addr}: {error}"),
            "stop what listens there (perhaps a server that runs already), or choose another HTTP_ADDR",
        ),
    }
}
