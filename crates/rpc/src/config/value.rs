//! Text to values. Each function accepts what its key says in the table, and nothing else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::auth::Role;
use crate::edge::Network;

use super::{BackendUrl, CorsOrigins, Environment, LogFormat, MessageFormat, Roles, Secret};

pub(super) fn text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn secret(text: &str) -> Option<Secret> {
    (!text.is_empty()).then(|| Secret::new(text))
}

/// One that keys signatures.
pub(super) fn long_secret(text: &str) -> Option<Secret> {
    secret(text).filter(|secret| secret.expose().len() >= super::JWT_SECRET_BYTES_MIN)
}

pub(super) fn environment(text: &str) -> Option<Environment> {
    [Environment::Development, Environment::Staging, Environment::Production]
        .into_iter()
        .find(|known| known.as_str() == text.trim())
}

pub(super) fn roles(text: &str) -> Option<Roles> {
    let roles = list(text)?;
    Some(if roles == ["all"] { Roles::All } else { Roles::Only(roles) })
}

pub(super) fn port(text: &str) -> Option<u16> {
    text.trim().parse().ok()
}

/// `host:port` with an IP address, or `:port` for every interface.
pub(super) fn socket_addr(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    if let Some(only_port) = text.strip_prefix(':')
        && !only_port.starts_with(':')
    {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port(only_port)?));
    }
    text.strip_prefix("localhost:").map_or_else(
        || text.parse().ok(),
        |only_port| Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port(only_port)?)),
    )
}

pub(super) fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text.trim()).ok().filter(|duration| !duration.is_zero())
}

pub(super) fn duration_or_none(text: &str) -> Option<Duration> {
    humantime::parse_duration(text.trim()).ok()
}

pub(super) fn is_required(text: &str) -> Option<bool> {
    match text.trim() {
        "required" => Some(true),
        "optional" => Some(false),
        _ => None,
    }
}

/// `spiffe://…=role`, separated by commas.
pub(super) fn spiffe_roles(text: &str) -> Option<Vec<(String, Role)>> {
    let one = |item: String| {
        let (id, role) = item.rsplit_once('=')?;
        id.starts_with("spiffe://").then_some((id.to_owned(), Role::parse(role)?))
    };
    list(text)?.into_iter().map(one).collect()
}

pub(super) fn count<const MIN: usize, const MAX: usize>(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|number| (MIN..=MAX).contains(number))
}

pub(super) fn connections(text: &str) -> Option<u32> {
    count::<1, 10_000>(text)?.try_into().ok()
}

pub(super) fn connections_or_none(text: &str) -> Option<u32> {
    count::<0, 10_000>(text)?.try_into().ok()
}

pub(super) fn rate(text: &str) -> Option<u32> {
    count::<0, 1_000_000>(text)?.try_into().ok()
}

pub(super) fn ratio(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
}

pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Bytes that this process could have in memory.
pub(super) fn size(text: &str) -> Option<usize> {
    usize::try_from(bytes(text)?).ok()
}

pub(super) fn networks(text: &str) -> Option<Vec<Network>> {
    match text.trim() {
        "none" => Some(Vec::new()),
        text => list(text)?.iter().map(|one| Network::parse(one)).collect(),
    }
}

pub(super) fn list(text: &str) -> Option<Vec<String>> {
    let items: Vec<String> = text.split(',').map(|item| item.trim().to_owned()).collect();
    (!items.iter().any(String::is_empty)).then_some(items)
}

/// A list of `host:port`; the host may be a name.
pub(super) fn addresses(text: &str) -> Option<Vec<String>> {
    list(text)?.into_iter().map(|item| address(&item).then_some(item)).collect()
}

/// One `host:port`; the host may be a name, the port is a number that others can call.
pub(super) fn one_address(text: &str) -> Option<String> {
    let text = text.trim();
    address(text).then(|| text.to_owned())
}

/// A name or an address, as a certificate has it.
pub(super) fn host(text: &str) -> Option<String> {
    let text = text.trim();
    rustls::pki_types::ServerName::try_from(text).is_ok().then(|| text.to_owned())
}

pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// Whether lanes have owners.
pub(super) fn lanes(text: &str) -> Option<bool> {
    match text.trim() {
        "shared" => Some(false),
        "owned" => Some(true),
        _ => None,
    }
}

/// Shorter than a second, a busy machine would lose it for nothing; longer than minutes, nobody
/// should wait for one who is gone.
pub(super) fn lease(text: &str) -> Option<Duration> {
    let range = Duration::from_secs(1)..=Duration::from_secs(300);
    duration(text).filter(|lease| range.contains(lease))
}

/// A name that Kafka takes.
pub(super) fn topic(text: &str) -> Option<String> {
    let text = text.trim();
    let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = (1..=249).contains(&text.len()) && text != "." && text != "..";
    (fits && text.chars().all(known)).then(|| text.to_owned())
}

pub(super) fn message_format(text: &str) -> Option<MessageFormat> {
    match text.trim() {
        "protobuf" => Some(MessageFormat::Protobuf),
        "json" => Some(MessageFormat::Json),
        _ => None,
    }
}

/// What an event needs without its data is less than the least, what librdkafka takes more than the
/// most.
pub(super) fn message_bytes(text: &str) -> Option<usize> {
    let size = usize::try_from(bytes(text)?).ok()?;
    ((64 << 10)..=(64 << 20)).contains(&size).then_some(size)
}

fn address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, number)| {
        !host.is_empty() && !host.contains('/') && port(number).is_some_and(|port| port != 0)
    })
}

pub(super) fn database_url(text: &str) -> Option<BackendUrl> {
    let text = text.trim();
    let known = text == "memory:" || text == "memory://";
    let path = |rest: &str| !rest.is_empty();
    let accepted = known
        || text
            .strip_prefix("sqlite://")
            .or_else(|| text.strip_prefix("sqlite:"))
            .is_some_and(path)
        || postgres(text);
    accepted.then(|| BackendUrl::new(text))
}

fn postgres(text: &str) -> bool {
    text.strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"))
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

pub(super) fn postgres_urls(text: &str) -> Option<Vec<BackendUrl>> {
    list(text)?.into_iter().map(|url| postgres(&url).then(|| BackendUrl::new(url))).collect()
}

/// One URL; of a list, the first with the others as its parameter `cluster`, so that one place knows
/// who is let in. Either all are spoken to with TLS or none.
pub(super) fn redis_url(text: &str) -> Option<BackendUrl> {
    let text = text.trim();
    let scheme = ["rediss://", "redis://"].into_iter().find(|scheme| text.starts_with(scheme))?;
    let is_mixed = |other: &&str| *other != scheme && text.contains(&format!(",{other}"));
    if ["rediss://", "redis://"].iter().any(is_mixed) {
        return None;
    }
    let mut urls = text.split(',').map(|url| {
        let rest = url.strip_prefix(scheme)?;
        (!rest.is_empty() && !rest.starts_with('/')).then_some(rest)
    });
    let first = urls.next()??;
    if !text.contains(&format!(",{scheme}")) {
        // The comma may stand in its parameter.
        return Some(BackendUrl::new(text));
    }
    let (user, first) = first.rsplit_once('@').map_or((None, first), |(u, f)| (Some(u), f));
    let mut nodes = vec![node(first)?];
    for other in urls {
        let (theirs, other) = other?.rsplit_once('@').map_or((None, other?), |(u, o)| (Some(u), o));
        if theirs.is_some() && theirs != user {
            return None;
        }
        nodes.push(node(other)?);
    }
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let (first, others) = nodes.split_first()?;
    Some(BackendUrl::new(format!("{scheme}{user}{first}/0?cluster={}", others.join(","))))
}

/// `host:port` of a node of a cluster.
fn node(text: &str) -> Option<&str> {
    let text = text.strip_suffix("/0").or(text.strip_suffix('/')).unwrap_or(text);
    address(text).then_some(text)
}

/// As long as a cache may take: what it saves is a read of the database.
pub(super) fn cache_timeout(text: &str) -> Option<Duration> {
    let (least, most) = (Duration::from_millis(1), Duration::from_secs(5));
    duration(text).filter(|timeout| (least..=most).contains(timeout))
}

pub(super) fn http_url(text: &str) -> Option<String> {
    let text = text.trim();
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    (!rest.is_empty() && !rest.starts_with('/')).then(|| text.to_owned())
}

/// Without TLS: what lies outside of the host is reached through the mesh.
pub(super) fn plain_http_url(text: &str) -> Option<String> {
    http_url(text).filter(|url| url.starts_with("http://"))
}

pub(super) fn http_uri(text: &str) -> Option<http::Uri> {
    http_url(text)?.parse().ok()
}

pub(super) fn origins(text: &str) -> Option<CorsOrigins> {
    match text.trim() {
        "*" => Some(CorsOrigins::Any),
        "none" => Some(CorsOrigins::None),
        text => list(text)?
            .into_iter()
            .map(|origin| http_url(&origin).filter(|url| url.matches('/').count() == 2))
            .collect::<Option<Vec<_>>>()
            .map(CorsOrigins::Only),
    }
}

pub(super) fn log_level(text: &str) -> Option<String> {
    let text = text.trim();
    let level = |word: &str| {
        ["error", "warn", "info", "debug", "trace", "off"]
            .contains(&word.to_ascii_lowercase().as_str())
    };
    // EnvFilter takes any word for a target; a misspelt level would silence the log unnoticed.
    let directives = text
        .split(',')
        .all(|part| level(part.trim()) || part.rsplit_once('=').is_some_and(|(_, l)| level(l)));
    (directives && tracing_subscriber::EnvFilter::try_new(text).is_ok()).then(|| text.to_owned())
}

pub(super) fn log_format(text: &str) -> Option<LogFormat> {
    match text.trim() {
        "auto" => Some(LogFormat::Auto),
        "json" => Some(LogFormat::Json),
        "pretty" => Some(LogFormat::Pretty),
        _ => None,
    }
}
