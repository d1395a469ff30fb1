//! Where Redis is.

use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};

use crate::error::OpenError;
use crate::options::RedisTls;

/// The second is spoken to with TLS.
const SCHEMES: [&str; 2] = ["redis://", "rediss://"];

/// One server, or some nodes of a cluster, which name the others.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Server(Box<ConnectionInfo>),
    Cluster(Vec<ConnectionInfo>),
}

impl Address {
    pub(crate) fn parse(text: &str, tls: &RedisTls) -> Result<Self, OpenError> {
        let text = text.trim();
        // Either all are spoken to with TLS or none.
        let scheme = SCHEMES.into_iter().find(|scheme| text.starts_with(scheme));
        let scheme = scheme.ok_or_else(|| wrong("it does not begin with redis:// or rediss://"))?;
        let node = |url: &str| node(url, tls);
        let separator = format!(",{scheme}");
        // A comma also stands within `?cluster=b:1,c:2`.
        let mut nodes = Vec::new();
        let mut cluster = text.contains(&separator);
        for url in text.replace(&separator, &format!("\n{scheme}")).lines() {
            let (url, query) = url.split_once('?').map_or((url, None), |(u, q)| (u, Some(q)));
            nodes.push(node(url)?);
            for (name, value) in query.into_iter().flat_map(|q| q.split('&')).map(pair) {
                if name != "cluster" {
                    return Err(wrong("the only parameter is `cluster`"));
                }
                cluster = true;
                for other in value.split(',').filter(|other| !other.is_empty()) {
                    nodes.push(node(&format!("{scheme}{other}"))?);
                }
            }
        }
        let first = nodes.first().ok_or_else(|| wrong("it is empty"))?.clone();
        if !cluster {
            return Ok(Self::Server(Box::new(first)));
        }
        if nodes.iter().any(|node| node.redis_settings().db() != 0) {
            return Err(wrong("a cluster has only database 0"));
        }
        // Who is let in is the same everywhere, and said once.
        let settings = first.redis_settings().clone();
        let other = |node: &ConnectionInfo| {
            let (theirs, ours) = (node.redis_settings(), &settings);
            let given = theirs.username().is_some() || theirs.password().is_some();
            given && (theirs.username(), theirs.password()) != (ours.username(), ours.password())
        };
        if nodes.iter().any(other) {
            return Err(wrong("nodes of one cluster have one user and password"));
        }
        let same = |node: ConnectionInfo| node.set_redis_settings(settings.clone());
        Ok(Self::Cluster(nodes.into_iter().map(same).collect()))
    }
}

/// The same server's settings at another address.
pub(crate) fn elsewhere(like: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let host = host.to_owned();
    like.clone().set_addr(match like.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            let (insecure, tls_params) = (*insecure, tls_params.clone());
            ConnectionAddr::TcpTls { host, port, insecure, tls_params }
        }
        _ => ConnectionAddr::Tcp(host, port),
    })
}

pub(crate) fn host(node: &ConnectionInfo) -> &str {
    match node.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "",
    }
}

pub(crate) fn is_tls(node: &ConnectionInfo) -> bool {
    matches!(node.addr(), ConnectionAddr::TcpTls { .. })
}

fn node(url: &str, tls: &RedisTls) -> Result<ConnectionInfo, OpenError> {
    // The driver knows a fragment that turns the check of certificates off.
    if url.contains('#') {
        return Err(wrong("it has no fragment"));
    }
    // The parser's own message may quote the address, and with it the password.
    let info = url.into_connection_info().map_err(|_| wrong("it cannot be read"))?;
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
    if !is_tls(&info) {
        return Ok(info);
    }
    let client = Client::build_with_tls(info, tls.certificates()?);
    let client = client.map_err(|_| wrong("the certificates of its TLS cannot be used"))?;
    Ok(client.get_connection_info().clone())
}

fn pair(parameter: &str) -> (&str, &str) {
    parameter.split_once('=').unwrap_or((parameter, ""))
}

fn wrong(why: &str) -> OpenError {
    OpenError::Url { why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        let show = |node: &ConnectionInfo| {
            let settings = node.redis_settings();
            let user = settings.username().unwrap_or_default();
            let password = settings.password().unwrap_or_default();
            format!("{user}:{password}@{}/{}", node.addr(), settings.db())
        };
        match Address::parse(text, &RedisTls::default()) {
            Ok(Address::Server(node)) => Ok(format!("server {}", show(&node))),
            Ok(Address::Cluster(nodes)) => {
                Ok(format!("cluster {}", nodes.iter().map(show).collect::<Vec<_>>().join(" ")))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn servers_and_clusters() {
        let table = [
            ("redis://h", "server :@h:6379/0"),
            (" redis://u:p%40@h:7/3 ", "server u:p@@h:7/3"),
            ("redis://h:1/0?cluster", "cluster :@h:1/0"),
            ("redis://:p@a:1/0?cluster=b:2,c:3", "cluster :p@a:1/0 :p@b:2/0 :p@c:3/0"),
            ("redis://a:1,redis://b:2/0", "cluster :@a:1/0 :@b:2/0"),
            ("rediss://:p@a:1", "server :p@a:1/0"),
            ("rediss://a:1,rediss://b:2/0", "cluster :@a:1/0 :@b:2/0"),
            (
                "redis://u:p@a:1,redis://u:p@b:2,redis://c:3",
                "cluster u:p@a:1/0 u:p@b:2/0 u:p@c:3/0",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        let table = [
            ("", "redis://"),
            ("http://:hush@h", "redis://"),
            ("rediss://:hush@h:1/#insecure", "no fragment"),
            ("redis://:hush@h:port", "cannot be read"),
            ("redis://:hush@h:1/3?cluster=b:2", "only database 0"),
            ("redis://a:1,redis://b:2/1", "only database 0"),
            ("redis://:hush@a:1,redis://:hushed@b:2", "one user and password"),
            ("redis://:hush@h:1?sentinel=yes", "only parameter"),
            ("redis://:hush@a:1,rediss://b:2", "cannot be read"),
        ];
        for (text, expected) in table {
            let error = shown(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hush"), "{text}: {error}");
        }
    }
}
