//! librdkafka's errors in the port's words.

use gamemesh_bus::{ConsumeError, PublishError};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the client of Kafka cannot be made: {0}")]
    Client(String),
}

impl From<KafkaError> for OpenError {
    fn from(error: KafkaError) -> Self {
        Self::Client(error.to_string())
    }
}

pub(crate) fn publish_error(error: &KafkaError) -> PublishError {
    use RDKafkaErrorCode as E;
    match error.rdkafka_error_code() {
        Some(E::MessageSizeTooLarge) => PublishError::TooLarge,
        Some(
            E::TopicAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::InvalidTopic
            | E::InvalidRecord
            | E::PolicyViolation,
        ) => PublishError::Denied(error.to_string()),
        // Purged: another message of the same producer was refused.
        Some(E::PurgeQueue | E::PurgeInflight) => PublishError::Over,
        _ => PublishError::Unavailable(error.to_string()),
    }
}

pub(crate) fn consume_error(error: &KafkaError) -> ConsumeError {
    use RDKafkaErrorCode as E;
    match error.rdkafka_error_code() {
        Some(
            E::IllegalGeneration
            | E::UnknownMemberId
            | E::FencedInstanceId
            | E::AssignmentLost
            | E::Fenced
            | E::State,
        ) => ConsumeError::Fenced,
        Some(
            E::TopicAuthorizationFailed
            | E::GroupAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::InvalidTopic
            | E::InvalidGroupId
            | E::Authentication
            | E::SaslAuthenticationFailed,
        ) => ConsumeError::Denied(error.to_string()),
        _ => ConsumeError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_word() {
        let word = |code| publish_error(&KafkaError::MessageProduction(code));
        assert_eq!(word(RDKafkaErrorCode::MessageSizeTooLarge), PublishError::TooLarge);
        assert_eq!(word(RDKafkaErrorCode::PurgeQueue), PublishError::Over);
        let denied = word(RDKafkaErrorCode::TopicAuthorizationFailed);
        assert!(matches!(denied, PublishError::Denied(_)));
        let away = word(RDKafkaErrorCode::BrokerTransportFailure);
        assert!(matches!(away, PublishError::Unavailable(_)));
        let word = |code| consume_error(&KafkaError::ConsumerCommit(code));
        assert_eq!(word(RDKafkaErrorCode::IllegalGeneration), ConsumeError::Fenced);
        let denied = word(RDKafkaErrorCode::GroupAuthorizationFailed);
        assert!(matches!(denied, ConsumeError::Denied(_)));
    }
}
