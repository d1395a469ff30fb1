//! How brokers are spoken to, in librdkafka's words.

use std::path::PathBuf;

use gamemesh_bus::BrokerSecurity;
use rdkafka::ClientConfig;

/// Sets what the protocol knows, and nothing else.
pub(crate) fn apply(security: &BrokerSecurity, config: &mut ClientConfig) {
    config.set("security.protocol", security.protocol.as_str());
    if let Some(sasl) = security.sasl.as_ref().filter(|_| security.protocol.has_sasl()) {
        config.set("sasl.mechanism", sasl.mechanism.as_str());
        config.set("sasl.username", &sasl.username);
        config.set("sasl.password", &sasl.password);
    }
    if !security.protocol.has_tls() {
        return;
    }
    let mut file = |key: &str, path: &Option<PathBuf>| {
        if let Some(path) = path {
            config.set(key, path.to_string_lossy());
        }
    };
    file("ssl.ca.location", &security.ca_file);
    file("ssl.certificate.location", &security.certificate_file);
    file("ssl.key.location", &security.key_file);
    if let Some(password) = &security.key_password {
        config.set("ssl.key.password", password);
    }
}

#[cfg(test)]
mod tests {
    use gamemesh_bus::{Sasl, SaslMechanism, SecurityProtocol};

    use super::*;

    #[test]
    fn only_what_the_protocol_knows_is_set_and_nothing_secret_is_shown() {
        let sasl = Sasl {
            mechanism: SaslMechanism::ScramSha512,
            username: "gamemesh".to_owned(),
            password: "hush".to_owned(),
        };
        let mut security = BrokerSecurity {
            sasl: Some(sasl),
            ca_file: Some("/etc/ca.pem".into()),
            key_password: Some("hush".to_owned()),
            ..BrokerSecurity::default()
        };
        let get = |security: &BrokerSecurity, key: &str| {
            let mut config = ClientConfig::new();
            apply(security, &mut config);
            config.get(key).map(str::to_owned)
        };
        assert_eq!(get(&security, "security.protocol").as_deref(), Some("PLAINTEXT"));
        assert_eq!(get(&security, "sasl.password"), None);
        assert_eq!(get(&security, "ssl.ca.location"), None);
        security.protocol = SecurityProtocol::SaslSsl;
        assert_eq!(get(&security, "sasl.mechanism").as_deref(), Some("SCRAM-SHA-512"));
        assert_eq!(get(&security, "sasl.password").as_deref(), Some("hush"));
        assert_eq!(get(&security, "ssl.ca.location").as_deref(), Some("/etc/ca.pem"));
        assert!(!format!("{security:?}").contains("hush"));
    }
}
