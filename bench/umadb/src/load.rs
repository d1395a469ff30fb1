//! The clients: each appends to entities of its own, one event a call, and expects what it wrote last.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use gamemesh_contracts::state::v1::state_service_client::StateServiceClient;
use gamemesh_contracts::state::v1::{AppendEventsRequest, NewAggregateEvent};
use tonic::transport::{Channel, Endpoint};
use umadb_client::UmaDbClient;
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreAsync as _, DcbQuery, DcbQueryItem};

const CLIENTS: u64 = 64;
/// Connections that the clients share.
const CONNECTIONS: usize = 8;
/// Entities of each client.
const ENTITIES: u64 = 100;
/// Bytes that an event carries.
const DATA_BYTES: usize = 64;

/// Appends a second to gamemesh.
pub async fn gamemesh(url: &str, turn: u64, duration: Duration) -> Result<f64> {
    let mut channels: Vec<Channel> = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true).connect().await?);
    }
    let clients = (0..CLIENTS).map(|client| {
        let mut stub = StateServiceClient::new(channels[client as usize % CONNECTIONS].clone());
        tokio::spawn(async move {
            let (began, mut appended) = (Instant::now(), 0_u64);
            while began.elapsed() < duration {
                let text = prost_types::Value {
                    kind: Some(prost_types::value::Kind::StringValue("x".repeat(DATA_BYTES))),
                };
                let event = NewAggregateEvent {
                    kind: "noted".into(),
                    data: Some(text),
                    ..Default::default()
                };
                let request = AppendEventsRequest {
                    r#type: "world".into(),
                    id: entity(turn, client, appended),
                    events: vec![event],
                    expected_version: Some((appended / ENTITIES) as i64),
                    ..Default::default()
                };
                stub.append_events(request).await?;
                appended += 1;
            }
            anyhow::Ok(appended)
        })
    });
    rate(try_join_all(clients).await?, duration)
}

/// Appends a second to UmaDB.
pub async fn umadb(url: &str, turn: u64, duration: Duration) -> Result<f64> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections
            .push(std::sync::Arc::new(UmaDbClient::new(url.to_owned()).connect_async().await?));
    }
    let clients = (0..CLIENTS).map(|client| {
        let store = connections[client as usize % CONNECTIONS].clone();
        tokio::spawn(async move {
            let (began, mut appended) = (Instant::now(), 0_u64);
            let mut last = vec![None; ENTITIES as usize];
            while began.elapsed() < duration {
                let tag = entity(turn, client, appended);
                let event = DcbEvent::default()
                    .event_type("noted")
                    .tags([tag.as_str()])
                    .data(vec![b'x'; DATA_BYTES]);
                let boundary = DcbQuery::new().item(DcbQueryItem::new().tags([tag.as_str()]));
                let last = &mut last[(appended % ENTITIES) as usize];
                let condition = DcbAppendCondition::new(boundary).after(*last);
                *last = Some(store.append(vec![event], Some(condition), None).await?);
                appended += 1;
            }
            anyhow::Ok(appended)
        })
    });
    rate(try_join_all(clients).await?, duration)
}

fn entity(turn: u64, client: u64, appended: u64) -> String {
    format!("w-{turn}-{client}-{}", appended % ENTITIES)
}

fn rate(appended: Vec<Result<u64>>, duration: Duration) -> Result<f64> {
    let appended: u64 = appended.into_iter().sum::<Result<u64>>().context("an append failed")?;
    Ok(appended as f64 / duration.as_secs_f64())
}
