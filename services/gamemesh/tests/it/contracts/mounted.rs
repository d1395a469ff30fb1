//! A process shows the services that it runs, and no others.

use std::collections::BTreeSet;

use gamemesh_testkit::{World, http};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const STATE: &str = "gamemesh.state.v1.StateService";
const COMBAT: &str = "gamemesh.combat.v1.CombatService";

#[tokio::test]
async fn routes_documents_reflection_and_health_are_those_of_the_chosen_services() {
    let mut world = World::builder().flag("services", "state").build().unwrap();
    world.start().await.unwrap();
    let address = world.address();

    assert_eq!(http::get(&address, "/api/v1/state/types").await.unwrap().status, 200);
    let elsewhere = http::get(&address, "/api/v1/combat/sessions").await.unwrap();
    assert_eq!(elsewhere.status, 404);
    let document = http::get(&address, "/openapi.json").await.unwrap().json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.keys().all(|path| path.starts_with("/api/v1/state/")), "{:?}", paths.keys());

    let channel = Channel::from_shared(world.url()).unwrap().connect().await.unwrap();
    let listed = listed(channel.clone()).await;
    assert!(listed.contains(STATE) && !listed.contains(COMBAT), "{listed:?}");

    let mut health = HealthClient::new(channel);
    let mut check = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        health.check(request).await.map(drop).map_err(|status| status.code())
    };
    assert_eq!(check(STATE).await, Ok(()));
    assert_eq!(check(COMBAT).await, Err(Code::NotFound));
}

/// The services that reflection names.
async fn listed(channel: Channel) -> BTreeSet<String> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let asked = tokio_stream::iter([request]);
    let mut answers = client.server_reflection_info(asked).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    match answer.message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("{other:?}"),
    }
}
