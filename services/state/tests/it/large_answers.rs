//! Answers that would be too large: a batch names what it left out, pages end early, and nothing is
//! missing when all of them are read.

use gamemesh_contracts::state::v1 as pb;
use pb::batch_get_result::Result as Outcome;
use pb::update_aggregate_request::Change;
use prost::Message as _;
use serde_json::{Value as Json, json};

use super::calls::{create, reason};
use super::documents::document;
use super::world::World;

const ANSWER_BYTES_MAX: usize = 12 << 20;

/// About 0.8 MB.
fn large(n: usize) -> Json {
    let parts = (0..16).map(|part| (format!("p{part}"), "x".repeat(50_000).into()));
    let mut fields: serde_json::Map<String, Json> = parts.collect();
    fields.insert("n".to_owned(), json!(n));
    fields.into()
}

fn key(id: &str) -> pb::AggregateKey {
    pb::AggregateKey { r#type: "world".to_owned(), id: id.to_owned() }
}

#[tokio::test]
async fn keys_that_repeat_are_read_once_and_what_does_not_fit_is_named() {
    let world = World::new().await;
    let client = world.client().await;
    create(&client, "world", "large", &large(0)).await.unwrap();
    create(&client, "world", "small", &json!({"n": 1})).await.unwrap();
    let keys = std::iter::once(key("small")).chain((0..999).map(|_| key("large"))).collect();
    let request = pb::BatchGetAggregatesRequest { keys, ..Default::default() };
    let answer = client.clone().batch_get_aggregates(request).await.unwrap().into_inner();
    assert_eq!(answer.results.len(), 1_000);
    assert!(answer.encoded_len() < ANSWER_BYTES_MAX + (256 << 10), "{}", answer.encoded_len());
    let got = answer.results.iter().filter_map(|result| match result.result.as_ref().unwrap() {
        Outcome::Aggregate(aggregate) => Some(aggregate.id.as_str()),
        Outcome::Refusal(refusal) => {
            assert_eq!(refusal.reason, "PAYLOAD_TOO_LARGE", "{refusal:?}");
            None
        }
    });
    let got: Vec<&str> = got.collect();
    assert_eq!(got[0], "small");
    assert!((8..=16).contains(&got.len()), "{}", got.len());

    // Small ones are answered each.
    let keys = (0..1_000).map(|_| key("small")).collect();
    let request = pb::BatchGetAggregatesRequest { keys, ..Default::default() };
    let answer = client.clone().batch_get_aggregates(request).await.unwrap().into_inner();
    let whole = |result: &pb::BatchGetResult| matches!(result.result, Some(Outcome::Aggregate(_)));
    assert!(answer.results.iter().all(whole));
}

#[tokio::test]
async fn a_page_ends_before_it_is_too_large_and_the_next_goes_on() {
    const DOCUMENTS: usize = 30;
    let world = World::new().await;
    let client = world.client().await;
    for n in 0..DOCUMENTS {
        create(&client, "world", &format!("w{n:02}"), &large(n)).await.unwrap();
    }
    let (mut ids, mut pages, mut page_token) = (Vec::new(), 0, String::new());
    loop {
        let request = pb::ListAggregatesRequest {
            r#type: "world".to_owned(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let page = client.clone().list_aggregates(request).await.map_err(|e| reason(&e)).unwrap();
        let page = page.into_inner();
        assert!(page.encoded_len() < ANSWER_BYTES_MAX + (64 << 10), "{}", page.encoded_len());
        ids.extend(page.aggregates.into_iter().map(|aggregate| aggregate.id));
        pages += 1;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let expected: Vec<String> = (0..DOCUMENTS).map(|n| format!("w{n:02}")).collect();
    assert_eq!(ids, expected);
    assert!(pages >= 2, "{pages}");
}

#[tokio::test]
async fn a_history_ends_before_it_is_too_large_both_ways() {
    const UPDATES: usize = 25;
    let world = World::new().await;
    let client = world.client().await;
    create(&client, "world", "w", &large(0)).await.unwrap();
    for n in 1..UPDATES {
        let update = pb::UpdateAggregateRequest {
            r#type: "world".to_owned(),
            id: "w".to_owned(),
            change: Some(Change::MergePatch(document(&{
                let mut all = large(n);
                for part in 0..16 {
                    all[format!("p{part}")] = format!("{n}").repeat(25_000).into();
                }
                all
            }))),
            ..Default::default()
        };
        client.clone().update_aggregate(update).await.unwrap();
    }
    for descending in [false, true] {
        let (mut versions, mut pages, mut page_token) = (Vec::new(), 0, String::new());
        loop {
            let request = pb::ListEventsRequest {
                r#type: "world".to_owned(),
                id: "w".to_owned(),
                limit: 10_000,
                descending,
                page_token,
                ..Default::default()
            };
            let page = client.clone().list_events(request).await.unwrap().into_inner();
            assert!(page.encoded_len() < ANSWER_BYTES_MAX + (64 << 10), "{}", page.encoded_len());
            versions.extend(page.events.iter().map(|event| event.version));
            pages += 1;
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        if descending {
            versions.reverse();
        }
        assert_eq!(versions, (1..=UPDATES as i64).collect::<Vec<_>>());
        assert!(pages >= 2, "{pages}");
    }
}
