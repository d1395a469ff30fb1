//! TLS and SASL against a broker that asks for both.

use std::time::Duration;

use bytes::Bytes;
use gamemesh_bus::{
    BrokerSecurity, ConsumeError, ConsumerEvent, ConsumerOptions, Consumers as _, Message,
    Publisher as _, Sasl, SaslMechanism, SecurityProtocol,
};
use gamemesh_kafka::{KafkaConsumers, KafkaOptions, KafkaPublisher};
use tokio::time::timeout;
use uuid::Uuid;

use super::{consumer, server};

const PATIENCE: Duration = Duration::from_secs(60);

fn options(server: &server::Secure, mechanism: SaslMechanism, password: &str) -> KafkaOptions {
    KafkaOptions {
        security: BrokerSecurity {
            protocol: SecurityProtocol::SaslSsl,
            sasl: Some(Sasl {
                mechanism,
                username: "gamemesh".to_owned(),
                password: password.to_owned(),
            }),
            ca_file: Some(server.ca_file.clone()),
            ..BrokerSecurity::default()
        },
        ..KafkaOptions::new(vec![server.brokers.clone()])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_and_come_over_tls_with_a_password() {
    let (brokers, Some(secure)) = (server::brokers().await, server::secure().await) else { return };
    let topic = format!("t-{}", Uuid::new_v4());
    consumer::create(&brokers, &topic, 1).await;
    for (position, mechanism) in [(1, SaslMechanism::ScramSha512), (2, SaslMechanism::Plain)] {
        let options = options(&secure, mechanism, "only-for-tests");
        let publisher = KafkaPublisher::open(options.clone()).unwrap();
        let message = Message {
            topic: topic.as_str().into(),
            key: Bytes::from_static(b"k"),
            payload: Bytes::from_static(b"p"),
            headers: vec![],
            lane: 0,
            position,
        };
        let mut session = publisher.session().await.unwrap();
        timeout(PATIENCE, session.publish(vec![message]).await).await.unwrap().unwrap();
        let consumers = KafkaConsumers::new(options);
        let group = format!("g-{position}");
        let mut consumer =
            consumers.consumer(&group, &[&topic], ConsumerOptions::default()).await.unwrap();
        let read = async {
            loop {
                if let Ok(ConsumerEvent::Messages(messages)) = consumer.next().await {
                    return messages;
                }
            }
        };
        assert_eq!(timeout(PATIENCE, read).await.unwrap()[0].payload, "p");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_let_in_or_trusts_nobody_is_told() {
    let Some(secure) = server::secure().await else { return };
    let wrong_password = options(&secure, SaslMechanism::ScramSha512, "wrong");
    let mut nobodys = options(&secure, SaslMechanism::ScramSha512, "only-for-tests");
    nobodys.security.ca_file = None;
    for options in [wrong_password, nobodys] {
        let consumers = KafkaConsumers::new(options.clone());
        let mut consumer =
            consumers.consumer("g", &["t"], ConsumerOptions::default()).await.unwrap();
        let told = timeout(PATIENCE, consumer.next()).await.unwrap().unwrap_err();
        assert!(matches!(told, ConsumeError::Denied(_) | ConsumeError::Unavailable(_)), "{told:?}");
        assert!(!format!("{told:?} {options:?}").contains("only-for-tests"));
    }
}
