//! The brokers and how they are spoken to.

use std::path::PathBuf;

use gamemesh_bus::{BrokerSecurity, Sasl, SaslMechanism, SecurityProtocol};

use super::reader::Reader;
use super::{Kafka, value};

pub(super) fn kafka(r: &mut Reader<'_>) -> Kafka {
    Kafka {
        brokers: r.read_opt("kafka-brokers", value::addresses).unwrap_or_default(),
        security: security(r),
        state_topic: r.read("kafka-state-topic", value::topic),
        format: r.read("kafka-format", value::message_format),
        message_bytes_max: r.read("kafka-message-bytes", value::message_bytes),
    }
}

/// What the protocol has no use for is refused: whoever sets it believes to be protected by it.
fn security(r: &mut Reader<'_>) -> BrokerSecurity {
    let protocol = r.read("kafka-security-protocol", protocol);
    let path = |text: &str| value::text(text).map(PathBuf::from);
    let security = BrokerSecurity {
        protocol,
        sasl: sasl(r, protocol),
        ca_file: r.read_opt("kafka-ca-file", path),
        certificate_file: r.read_opt("kafka-cert-file", path),
        key_file: r.read_opt("kafka-key-file", path),
        key_password: r
            .read_opt("kafka-key-password", value::secret)
            .map(|password| password.expose().to_owned()),
    };
    let set = [
        ("kafka-ca-file", security.ca_file.is_some()),
        ("kafka-cert-file", security.certificate_file.is_some()),
        ("kafka-key-file", security.key_file.is_some()),
        ("kafka-key-password", security.key_password.is_some()),
    ];
    for (name, _) in set.into_iter().filter(|(_, is_set)| *is_set && !protocol.has_tls()) {
        r.refuse(name, "nothing unless kafka-security-protocol is SSL or SASL_SSL");
    }
    match (&security.certificate_file, &security.key_file) {
        (Some(_), None) => r.refuse("kafka-key-file", "a path where kafka-cert-file is set"),
        (None, Some(_)) => r.refuse("kafka-cert-file", "a path where kafka-key-file is set"),
        _ => {}
    }
    security
}

fn sasl(r: &mut Reader<'_>, protocol: SecurityProtocol) -> Option<Sasl> {
    let mechanism = r.read_opt("kafka-sasl-mechanism", mechanism);
    let username = r.read_opt("kafka-sasl-username", value::text);
    let password = r.read_opt("kafka-sasl-password", value::secret);
    let set = [
        ("kafka-sasl-mechanism", mechanism.is_some()),
        ("kafka-sasl-username", username.is_some()),
        ("kafka-sasl-password", password.is_some()),
    ];
    for (name, is_set) in set {
        match (protocol.has_sasl(), is_set) {
            (true, false) if r.find(name).is_none() => {
                r.refuse(name, "a value where kafka-security-protocol has SASL");
            }
            (false, true) => {
                r.refuse(
                    name,
                    "nothing unless kafka-security-protocol is SASL_PLAINTEXT or SASL_SSL",
                );
            }
            _ => {}
        }
    }
    let password = password?.expose().to_owned();
    Some(Sasl { mechanism: mechanism?, username: username?, password })
}

fn protocol(text: &str) -> Option<SecurityProtocol> {
    let text = text.trim();
    SecurityProtocol::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text))
}

fn mechanism(text: &str) -> Option<SaslMechanism> {
    let text = text.trim();
    SaslMechanism::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text))
}
