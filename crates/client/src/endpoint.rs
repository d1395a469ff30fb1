//! From URLs to channels.

use std::time::Duration;

use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::instances::INSTANCES_MAX;
use crate::{ClientOptions, Error, Result, TlsOptions};

/// How often an idle connection is probed, so that a watch notices a server that went silent.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// A probe without an answer ends the connection.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A URL and what its connections are made with.
pub(crate) struct Target {
    pub(crate) url: String,
    endpoint: Endpoint,
}

impl Target {
    pub(crate) fn lazy(self) -> (String, Channel) {
        (self.url, self.endpoint.connect_lazy())
    }

    /// With a connection, or without one and why.
    pub(crate) async fn connect(self) -> (String, Channel, Option<Error>) {
        match self.endpoint.connect().await {
            Ok(channel) => (self.url, channel, None),
            Err(error) => {
                let error = Error::from(error);
                let message = format!("cannot reach {}: {}", self.url, error.message);
                (self.url, self.endpoint.connect_lazy(), Some(Error { message, ..error }))
            }
        }
    }
}

/// Reads URLs, of which each may be several with commas between them. The same one twice counts once.
pub(crate) fn targets<U: AsRef<str>>(
    urls: impl IntoIterator<Item = U>,
    options: &ClientOptions,
) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for urls in urls {
        for url in urls.as_ref().split(',').map(str::trim) {
            let target = target(url, options)?;
            if targets.iter().all(|known| known.url != target.url) {
                targets.push(target);
            }
        }
    }
    if !(1..=INSTANCES_MAX).contains(&targets.len()) {
        let message = format!("{} URLs; accepted: 1 to {INSTANCES_MAX}", targets.len());
        return Err(Error::local(Code::InvalidArgument, message));
    }
    Ok(targets)
}

fn tls(options: &TlsOptions) -> ClientTlsConfig {
    let mut tls = match &options.ca_pem {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = &options.identity_pem {
        tls = tls.identity(Identity::from_pem(certificate, &key.0));
    }
    tls
}

fn target(url: &str, options: &ClientOptions) -> Result<Target> {
    let wrong = |what: &str| {
        Error::local(
            Code::InvalidArgument,
            format!("{url:?} is {what}; accepted: http://host:port or https://host:port"),
        )
    };
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let is_tls = url.starts_with("https://");
    if !is_tls && !url.starts_with("http://") {
        return Err(wrong("of a scheme that this client does not speak"));
    }
    let parsed = Endpoint::from_shared(url.clone()).map_err(|_| wrong("not a URL"))?;
    // Paths are those of the services: what stands before them would be lost without a word.
    if parsed.uri().path_and_query().is_some_and(|path| path.as_str() != "/") {
        return Err(wrong("with a path, which a server of this API does not have"));
    }
    let endpoint = parsed
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let endpoint = if is_tls {
        endpoint.tls_config(tls(&options.tls)).map_err(|error| {
            Error::local(Code::InvalidArgument, format!("TLS for {url}: {error}"))
        })?
    } else {
        endpoint
    };
    Ok(Target { url, endpoint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(given: &[&str]) -> Result<Vec<String>> {
        let targets = targets(given, &ClientOptions::default())?;
        Ok(targets.into_iter().map(|target| target.url).collect())
    }

    #[test]
    fn a_list_can_be_one_text_or_several() {
        assert_eq!(urls(&["a:1"]).unwrap(), ["http://a:1"]);
        let three = urls(&["http://a:1, b:2", "http://c:3,a:1"]).unwrap();
        assert_eq!(three, ["http://a:1", "http://b:2", "http://c:3"]);
    }

    #[test]
    fn what_is_no_url_is_refused_by_name() {
        for (given, named) in [
            ("ftp://a:1", "ftp://a:1"),
            ("a:1,,b:2", "\"\""),
            ("a b", "a b"),
            ("http://a:1/base", "path"),
            ("a:1/?q", "path"),
        ] {
            let error = urls(&[given]).unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument);
            assert!(error.message.contains(named), "{error}");
        }
        assert!(urls(&[]).unwrap_err().message.contains("1 to 64"));
        let many: Vec<String> = (0..=INSTANCES_MAX).map(|n| format!("a:{}", n + 1)).collect();
        assert!(targets(many, &ClientOptions::default()).is_err());
    }
}
