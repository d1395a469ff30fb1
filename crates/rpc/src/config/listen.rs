//! Keys that describe one thing together: the address to listen on, the Redis to use, public keys.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::reader::{Reader, Source};
use super::{
    BackendUrl, ClientAuth, ClientTlsFiles, Embedding, EmbeddingApi, JwksSource, Lanes,
    PeerTlsConfig, PeersConfig, Redis, TlsConfig, keys, value,
};

/// The strongest source decides the port, and within one source `HTTP_ADDR` beats `SERVER_PORT`
/// beats `PORT`. The host is that of the strongest `HTTP_ADDR`; without one, a server that lets
/// everybody in stays on the loopback interface.
pub(super) fn address(r: &mut Reader<'_>, authenticated: bool) -> SocketAddr {
    let host = match r.read_opt("http-addr", value::socket_addr) {
        Some(addr) => addr.ip(),
        None if authenticated => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let candidates = [Source::Flag, Source::Environment, Source::File]
        .into_iter()
        .flat_map(|source| ["http-addr", "server-port", "port"].map(|name| (source, name)));
    for (source, name) in candidates {
        let Some(found) = r.find_in(name, source) else { continue };
        let port = match name {
            "http-addr" => value::socket_addr(&found.value).map(|addr| addr.port()),
            _ => value::port(&found.value),
        };
        match port {
            Some(port) => return SocketAddr::new(host, port),
            None if name == "http-addr" => {}
            None => r.wrong(name, &found, keys::find(name).accepts),
        }
    }
    SocketAddr::new(
        host,
        value::port(keys::find("server-port").default).expect("the default is a port"),
    )
}

/// Most places are for those who have shown who they are.
pub(super) fn strangers(r: &mut Reader<'_>) -> usize {
    let all = r.read("max-connections", value::count::<1, 1_000_000>);
    let given = r.read_opt("max-stranger-connections", value::count::<1, 1_000_000>);
    given.unwrap_or((all / 4).max(1))
}

/// A developer's machine has one address and one caller.
pub(super) fn connections_of(r: &mut Reader<'_>, name: &'static str, default: u32) -> u32 {
    r.read_opt(name, value::rate).unwrap_or(default)
}

/// The cache that instances share.
pub(super) fn redis(r: &mut Reader<'_>) -> Redis {
    Redis {
        url: redis_url(r),
        tls: redis_tls(r),
        pool_size: r.read("redis-pool-size", value::connections),
        timeout: r.read("redis-timeout", value::cache_timeout),
    }
}

/// Whoever names authorities believes that they are asked.
fn redis_tls(r: &mut Reader<'_>) -> ClientTlsFiles {
    let names = ["redis-ca-file", "redis-cert-file", "redis-key-file"];
    let files = client_tls(r, names);
    let is_tls = r.find("redis-url").is_some_and(|found| found.value.starts_with("rediss://"));
    for name in names.into_iter().filter(|_| !is_tls) {
        if r.find(name).is_some() {
            r.refuse(name, "nothing unless redis-url begins with rediss://");
        }
    }
    files
}

/// The same of the collector of traces.
pub(super) fn otlp_tls(r: &mut Reader<'_>) -> ClientTlsFiles {
    let names = ["otlp-ca-file", "otlp-cert-file", "otlp-key-file"];
    let files = client_tls(r, names);
    let is_tls = r.find("otlp-endpoint").is_some_and(|found| found.value.starts_with("https://"));
    for name in names.into_iter().filter(|_| !is_tls) {
        if r.find(name).is_some() {
            r.refuse(name, "nothing unless otlp-endpoint begins with https://");
        }
    }
    files
}

fn client_tls(r: &mut Reader<'_>, names: [&'static str; 3]) -> ClientTlsFiles {
    let mut path = |name| r.read_opt(name, |text| value::text(text).map(PathBuf::from));
    let [ca_file, certificate, key] = names.map(&mut path);
    if certificate.is_some() != key.is_some() {
        let [_, certificate_name, key_name] = names;
        let missing = if certificate.is_some() { key_name } else { certificate_name };
        r.refuse(missing, "a path: a certificate and its key belong together");
    }
    ClientTlsFiles { ca_file, certificate: certificate.zip(key) }
}

/// Public keys come from one place.
pub(super) fn jwks(r: &mut Reader<'_>) -> Option<JwksSource> {
    let file = r.read_opt("jwt-jwks-file", |text| value::text(text).map(PathBuf::from));
    let url = r.read_opt("jwt-jwks-url", value::http_uri);
    match (file, url) {
        (Some(_), Some(_)) => {
            r.refuse("jwt-jwks-url", "nothing where jwt-jwks-file is set");
            None
        }
        (Some(file), None) => Some(JwksSource::File(file)),
        (None, url) => url.map(JwksSource::Url),
    }
}

/// A certificate needs its key, and the authorities of clients need both.
pub(super) fn tls(r: &mut Reader<'_>) -> Option<TlsConfig> {
    let mut path = |name| r.read_opt(name, |text| value::text(text).map(PathBuf::from));
    let (certificate, key) = (path("tls-cert-file"), path("tls-key-file"));
    let ca = path("tls-client-ca-file");
    let is_required = r.read("tls-client-auth", value::is_required);
    let (Some(certificate_file), Some(key_file)) = (certificate.clone(), key.clone()) else {
        if certificate.is_some() {
            r.refuse("tls-key-file", "a path: a certificate needs its key");
        } else if key.is_some() || ca.is_some() {
            r.refuse("tls-cert-file", "a path: TLS needs a certificate");
        }
        return None;
    };
    let client_auth = ca.map(|ca_file| ClientAuth { ca_file, is_required });
    Some(TlsConfig { certificate_file, key_file, client_auth })
}

/// Owned lanes need an address that the others can call: every interface is none.
pub(super) fn lanes(r: &mut Reader<'_>, addr: SocketAddr, advertise: Option<String>) -> Lanes {
    let owned = r.read("lanes", value::lanes);
    let lease = r.read("lane-lease", value::lease);
    if !owned {
        return Lanes::Shared;
    }
    let reachable = advertise.as_ref().map_or(!addr.ip().is_unspecified(), |advertise| {
        value::socket_addr(advertise).is_none_or(|addr| !addr.ip().is_unspecified())
    });
    if !reachable {
        r.refuse(
            "advertise-addr",
            "an address that the other instances reach, such as 10.0.0.7:8080: with lanes=owned \
             every interface (0.0.0.0, [::]) is none",
        );
    }
    Lanes::Owned { advertise, lease }
}

/// What makes vectors of texts.
pub(super) fn embedding(r: &mut Reader<'_>) -> Embedding {
    Embedding {
        model_dir: r.read_opt("embedding-model-dir", |text| value::text(text).map(PathBuf::from)),
        url: r.read_opt("embedding-url", |text| value::plain_http_url(text)?.parse().ok()),
        api: r.read("embedding-api", |text| match text.trim() {
            "openai" => Some(EmbeddingApi::OpenAi),
            "tei" => Some(EmbeddingApi::Tei),
            _ => None,
        }),
        model: r.read("embedding-model", value::text),
        dimension: r.read("embedding-dimension", value::count::<1, 4_096>),
        key: r.read_opt("embedding-key", value::secret),
    }
}

/// `redis-url`, or one made from address, password and database, whichever source is stronger.
fn redis_url(r: &mut Reader<'_>) -> Option<BackendUrl> {
    let by_url = r.find("redis-url").map(|found| found.source);
    let by_addr = r.find("redis-addr").map(|found| found.source);
    let password = r.read_opt("redis-password", value::secret);
    let db = r.read("redis-db", value::count::<0, 15>);
    let url = r.read_opt("redis-url", value::redis_url);
    let addresses = r.read_opt("redis-addr", value::addresses);
    match (by_url, by_addr) {
        (Some(url_source), Some(addr_source)) if addr_source < url_source => {}
        (Some(_), _) => return url,
        (None, _) => {}
    }
    let cluster = addresses.as_ref().is_some_and(|addresses| addresses.len() > 1);
    if cluster && db != 0 {
        r.refuse("redis-db", "0: a cluster has no other database");
    }
    let credentials = password.map(|p| format!(":{}@", percent(p.expose()))).unwrap_or_default();
    addresses.map(|hosts| {
        let (first, others) = hosts.split_first().expect("a list has an item");
        let cluster = if others.is_empty() {
            String::new()
        } else {
            format!("?cluster={}", others.join(","))
        };
        BackendUrl::new(format!("redis://{credentials}{first}/{db}{cluster}"))
    })
}

/// Escapes what would end the password within a URL.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// The addresses of the services of other processes.
pub(super) fn peers(r: &mut Reader<'_>, own: Option<&TlsConfig>) -> PeersConfig {
    let keys = [
        ("state", "peer-state"),
        ("combat", "peer-combat"),
        ("stats", "peer-stats"),
        ("memory", "peer-memory"),
    ];
    let addresses = keys.into_iter().filter_map(|(service, key)| {
        r.read_opt(key, value::http_url).map(|url| (service.to_owned(), url))
    });
    let addresses = addresses.collect();
    PeersConfig { addresses, token: r.read_opt("peer-token", value::secret), tls: peer_tls(r, own) }
}

/// What this process shows to others is what it shows to its own callers, and who signs the others'
/// certificates is who signs those of clients, unless it is said otherwise.
fn peer_tls(r: &mut Reader<'_>, own: Option<&TlsConfig>) -> PeerTlsConfig {
    let mut path = |name| r.read_opt(name, |text| value::text(text).map(PathBuf::from));
    let ca_file = path("tls-peer-ca-file");
    let (certificate, key) = (path("tls-peer-cert-file"), path("tls-peer-key-file"));
    match (&certificate, &key) {
        (Some(_), None) => r.refuse("tls-peer-key-file", "a path where tls-peer-cert-file is set"),
        (None, Some(_)) => r.refuse("tls-peer-cert-file", "a path where tls-peer-key-file is set"),
        _ => {}
    }
    let own_pair = own.map(|own| (own.certificate_file.clone(), own.key_file.clone()));
    let clients = own.and_then(|own| own.client_auth.as_ref());
    PeerTlsConfig {
        ca_file: ca_file.or_else(|| clients.map(|clients| clients.ca_file.clone())),
        certificate: certificate.zip(key).or(own_pair),
        name: r.read_opt("tls-peer-name", value::host),
    }
}
