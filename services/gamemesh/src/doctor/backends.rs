//! The dependencies: the store and its disk, and the servers that the configuration names.

use std::path::Path;
use std::time::Duration;

use gamemesh_backends::{BackendError, CacheCapacity, Capacity, Place, Standby};
use gamemesh_repository::{Incarnation, LogName};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{JwksSource, ServerConfig};
use rustix::fs::{Access, access, statvfs};
use tokio::net::TcpStream;

use super::{Finding, Status};
use crate::opened::{brokers as brokers_of, cache_capacity};

/// Less room than this fills within a day of ordinary load.
const DISK_BYTES_LOW: u64 = 1 << 30;
/// With less than this the server stops accepting writes soon.
const DISK_BYTES_LEAST: u64 = 64 << 20;
/// For a server to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// More than a replica lacks while it keeps up.
const LAG_BYTES_HIGH: u64 = 16 << 20;
/// More than clocks differ that are kept in step.
const SKEW_HIGH: Duration = Duration::from_secs(1);
/// With more, tokens are refused that are good, and taken that are not.
const SKEW_MOST: Duration = Duration::from_secs(30);
/// For a store to open and answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// The store of each of these roles.
pub(super) async fn database(config: &ServerConfig, roles: &[&str]) -> Vec<Finding> {
    let url = config.storage.database_url.expose();
    let mut findings = Vec::new();
    for log in roles.iter().filter_map(|role| role.parse().ok()) {
        match gamemesh_backends::place(url, log) {
            Ok(Place::File(file)) => {
                // All files lie in one folder.
                if findings.is_empty() {
                    findings.extend(folder_of(&file));
                }
                findings.push(if file.exists() {
                    store(url, log).await
                } else {
                    Finding::ok("database", format!("{} will be created", file.display()))
                });
            }
            Ok(Place::DatabaseServer) => {
                if findings.is_empty() {
                    findings.push(connections(config, roles));
                    findings.extend(clocks(url).await);
                }
                findings.push(store(url, log).await);
                for replica in &config.storage.postgres_replica_urls {
                    findings.push(standby(url, replica.expose(), log).await);
                }
            }
            Ok(Place::Process) => {
                return vec![Finding::warning(
                    "database",
                    "in memory",
                    "nothing survives a restart; set DATABASE_URL=sqlite://PATH to keep it",
                )];
            }
            Err(error) => {
                let advice = "correct DATABASE_URL";
                return vec![Finding::failure("database", error.to_string(), advice)];
            }
        }
    }
    findings
}

/// Leases and the times of events are by the database's clock, tokens and deadlines by this machine's.
async fn clocks(url: &str) -> Option<Finding> {
    const CHECK: &str = "clocks";
    let clock = Clock::system();
    let asked_us = clock.now_micros();
    let answered = tokio::time::timeout(STORE_TIMEOUT, gamemesh_backends::server_time_us(url));
    // Why there is no answer, the check of the store says.
    let theirs_us = answered.await.ok()?.ok()??;
    let apart = apart(theirs_us, asked_us, clock.now_micros());
    let found = format!("this machine and the database are {apart:?} apart");
    let advice =
        "synchronise both (chrony, systemd-timesyncd): tokens expire by one, leases by the other";
    Some(match apart {
        _ if apart > SKEW_MOST => Finding::failure(CHECK, found, advice),
        _ if apart > SKEW_HIGH => Finding::warning(CHECK, found, advice),
        _ => Finding::ok(CHECK, "this machine and the database agree"),
    })
}

/// By how much a clock differs at least that was read at some time between these two.
fn apart(theirs_us: i64, asked_us: i64, heard_us: i64) -> Duration {
    let behind = u64::try_from(asked_us.saturating_sub(theirs_us)).unwrap_or(0);
    let ahead = u64::try_from(theirs_us.saturating_sub(heard_us)).unwrap_or(0);
    Duration::from_micros(behind.max(ahead))
}

fn folder_of(file: &Path) -> [Finding; 2] {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    [writable(folder), room(folder)]
}

/// What the services of the process share.
fn connections(config: &ServerConfig, roles: &[&str]) -> Finding {
    const CHECK: &str = "connections";
    let logs: Vec<LogName> = roles.iter().filter_map(|role| role.parse().ok()).collect();
    let (allowed, least) = (config.storage.postgres_max_conns, Capacity::least_connections(&logs));
    let found = format!("{allowed} allowed, {least} needed by {}", roles.join(", "));
    if allowed < least {
        return Finding::warning(CHECK, found, "raise POSTGRES_MAX_CONNS, or run fewer services");
    }
    Finding::ok(CHECK, found)
}

async fn store(url: &str, log: LogName) -> Finding {
    const CHECK: &str = "database";
    let opened = async {
        gamemesh_backends::open_read_only(url, log).await?.log.ping().await.map_err(Into::into)
    };
    let advice = "`gamemesh migrate` makes the schema or brings it up to date; `gamemesh log verify` \
         tells what is damaged";
    match tokio::time::timeout(STORE_TIMEOUT, opened).await {
        Ok(Ok(())) => Finding::ok(CHECK, format!("the log of {log} opens and answers")),
        Ok(Err::<(), BackendError>(error)) => Finding::failure(CHECK, error.to_string(), advice),
        Err(_) => Finding::failure(
            CHECK,
            format!("{log}: no answer in {STORE_TIMEOUT:?}"),
            "start the database server, or correct the URL",
        ),
    }
}

/// How far a replica is behind, in bytes of the primary's write-ahead log: it is of one server, so that
/// every log tells the same, but whether its schema is there is asked of each.
async fn standby(url: &str, replica: &str, log: LogName) -> Finding {
    const CHECK: &str = "replica";
    let address = authority(replica, 5432).unwrap_or_default();
    let looked = gamemesh_backends::standby(url, replica, log);
    let found = match tokio::time::timeout(STORE_TIMEOUT, looked).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            let advice = "start it, or correct POSTGRES_REPLICA_URLS; reads go on without it";
            return Finding::warning(CHECK, format!("{address}: {error}"), advice);
        }
        Err(_) => {
            let what = format!("{address}: no answer in {STORE_TIMEOUT:?}");
            return Finding::warning(CHECK, what, "reads go on without it");
        }
    };
    match found {
        Standby::Behind(bytes) if bytes <= LAG_BYTES_HIGH => {
            Finding::ok(CHECK, format!("{address}, {log}: {bytes} bytes behind"))
        }
        Standby::Behind(bytes) => Finding::warning(
            CHECK,
            format!("{address}, {log}: {bytes} bytes behind"),
            "reads that need what it lacks go to the primary; look at its load and its network",
        ),
        Standby::OfAnotherStore => Finding::failure(
            CHECK,
            format!("{address}, {log}: a replica of another store"),
            "correct POSTGRES_REPLICA_URLS; it is not used",
        ),
        Standby::Primary => Finding::failure(
            CHECK,
            format!("{address}, {log}: a primary, no standby"),
            "correct POSTGRES_REPLICA_URLS; it is not used",
        ),
    }
}

fn writable(folder: &Path) -> Finding {
    const CHECK: &str = "folder";
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Finding::ok(CHECK, format!("{} can be written", folder.display())),
        Err(error) => Finding::failure(
            CHECK,
            format!("{}: {error}", folder.display()),
            "give the user that runs the server the right to write there",
        ),
    }
}

fn room(folder: &Path) -> Finding {
    const CHECK: &str = "disk space";
    let Ok(disk) = statvfs(folder) else {
        return Finding::warning(CHECK, "cannot be told", "look at `df -h`");
    };
    let free = disk.f_bavail * disk.f_frsize;
    let found = format!("{} MiB free", free >> 20);
    match free {
        _ if free < DISK_BYTES_LEAST => {
            Finding::failure(CHECK, found, "make room: writes will be refused")
        }
        _ if free < DISK_BYTES_LOW => Finding::warning(CHECK, found, "make room before it fills"),
        _ => Finding::ok(CHECK, found),
    }
}

/// Of other servers beside the database only a connection is asked for: what they need to be is
/// checked by the adapters when the server starts.
pub(super) async fn servers(config: &ServerConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.redis.url.is_some() {
        findings.push(redis(config).await);
    }
    let mut addresses: Vec<(&'static str, String)> = Vec::new();
    addresses.extend(config.kafka.brokers.iter().map(|broker| ("kafka", broker.clone())));
    if let Some(endpoint) = &config.telemetry.otlp_endpoint {
        addresses.extend(authority(endpoint, 4317).map(|address| ("trace collector", address)));
    }
    if let Some(JwksSource::Url(url)) = &config.auth.jwks {
        let url = url.to_string();
        let port = if url.starts_with("https") { 443 } else { 80 };
        addresses.extend(authority(&url, port).map(|address| ("public keys", address)));
    }
    for (check, address) in addresses {
        findings.push(reach(check, &address).await);
    }
    let security = &config.kafka.security;
    let is_secured = security.protocol.has_tls() || security.sasl.is_some();
    if is_secured && is_reached(&findings, "kafka") {
        findings.push(brokers(config).await);
    }
    findings
}

fn is_reached(findings: &[Finding], check: &str) -> bool {
    findings.iter().any(|finding| finding.check == check && finding.status == Status::Ok)
}

/// Brokers that accept a connection are asked as the server would ask them, so that a certificate, an
/// authority or a password that does not fit is found too.
async fn brokers(config: &ServerConfig) -> Finding {
    const CHECK: &str = "kafka security";
    let opened = gamemesh_backends::open_bus(brokers_of(config));
    let asked = match opened {
        Err(error) => Err(error.to_string()),
        Ok(bus) => {
            // The driver connects of its own accord, and tells later what came of it.
            tokio::time::sleep(CONNECT_TIMEOUT).await;
            bus.publisher.ping().await.map_err(|error| error.to_string())
        }
    };
    match asked {
        Ok(()) => Finding::ok(CHECK, "the brokers take this process"),
        Err(why) => Finding::failure(
            CHECK,
            why,
            "correct KAFKA_CA_FILE, KAFKA_CERT_FILE or the SASL user and password; events would wait \
             in the log",
        ),
    }
}

/// It is asked as the server would ask it, so that a wrong password or a cluster taken for a server
/// is found too.
async fn redis(config: &ServerConfig) -> Finding {
    const CHECK: &str = "redis";
    let capacity = CacheCapacity { timeout: CONNECT_TIMEOUT, ..cache_capacity(config) };
    let url = config.redis.url.as_ref().map(|url| url.expose());
    let asked = match gamemesh_backends::open_cache(url, Incarnation([0; 16]), capacity) {
        Ok(Some(cache)) => cache.port.get("doctor").await.map(drop).map_err(|e| e.to_string()),
        Ok(None) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    match asked {
        Ok(()) => Finding::ok(CHECK, "it answers"),
        Err(why) => Finding::failure(
            CHECK,
            why,
            "start it, or correct REDIS_ADDR, REDIS_URL or the password; the server would run \
             without the shared cache",
        ),
    }
}

async fn reach(check: &'static str, address: &str) -> Finding {
    let advice = "start it, or correct the address; a firewall may stand between";
    match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Finding::ok(check, format!("{address} accepts connections")),
        Ok(Err(error)) => Finding::failure(check, format!("{address}: {error}"), advice),
        Err(_) => {
            Finding::failure(check, format!("{address}: no answer in {CONNECT_TIMEOUT:?}"), advice)
        }
    }
}

/// `host:port` of a URL.
fn authority(url: &str, port: u16) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port { host.to_owned() } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_clock_is_off_at_least() {
        for (theirs, expected) in [(100, 0), (105, 0), (110, 0), (90, 10), (200, 90)] {
            assert_eq!(apart(theirs, 100, 110), Duration::from_micros(expected), "{theirs}");
        }
    }

    #[test]
    fn the_address_of_a_url() {
        let table = [
            ("http://:secret@collector:7000/2", "collector:7000"),
            ("http://collector/0?a=b:1", "collector:4317"),
            ("http://[::1]:6380", "[::1]:6380"),
        ];
        for (url, expected) in table {
            assert_eq!(authority(url, 4317).as_deref(), Some(expected), "{url}");
        }
        assert_eq!(authority("collector:1", 4317), None);
    }

    #[test]
    fn the_disk_and_the_folder_of_a_test_are_fine() {
        assert_eq!(writable(&std::env::temp_dir()).status, super::super::Status::Ok);
        assert_ne!(room(&std::env::temp_dir()).found, "cannot be told");
    }
}
