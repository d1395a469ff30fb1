//! Tokens: what is wrong with them is told apart, and none is taken for what it is not.

use std::time::Duration;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::Secret;
use gamemesh_state::StateConfig;
use serde_json::json;
use tonic::Status;

use super::calls::{create, fields, increment, reason};
use super::watcher::{Watcher, scope};
use super::world::{Client, World};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Each kind of token, got where it is given out.
struct Tokens {
    resume: String,
    page: String,
    read: String,
}

async fn tokens(client: &Client) -> Tokens {
    let mut read = String::new();
    for id in ["a", "b", "c"] {
        let written = increment(client, "economy", id, "balances.gold", 1.0).await.unwrap();
        read = written.write.unwrap().token;
    }
    let (watcher, _) = Watcher::begun(client, scope("economy", "")).await;
    let page = list(client, "").await.unwrap().next_page_token;
    assert!(!page.is_empty());
    Tokens { resume: watcher.token, page, read }
}

async fn list(client: &Client, token: &str) -> Result<pb::ListAggregatesResponse, Status> {
    list_with(client, "economy", "balances.gold >= 0", token).await
}

async fn list_with(
    client: &Client,
    aggregate_type: &str,
    filter: &str,
    token: &str,
) -> Result<pb::ListAggregatesResponse, Status> {
    let request = pb::ListAggregatesRequest {
        r#type: aggregate_type.to_owned(),
        filter: filter.to_owned(),
        page_size: 1,
        page_token: token.to_owned(),
        ..Default::default()
    };
    client.clone().list_aggregates(request).await.map(tonic::Response::into_inner)
}

async fn read(client: &Client, token: &str) -> Result<pb::GetAggregateResponse, Status> {
    let request = pb::GetAggregateRequest {
        r#type: "economy".to_owned(),
        id: "a".to_owned(),
        token: token.to_owned(),
        ..Default::default()
    };
    client.clone().get_aggregate(request).await.map(tonic::Response::into_inner)
}

async fn resume(client: &Client, request: pb::WatchAggregatesRequest) -> Result<(), Status> {
    // A watch may refuse with its headers or with its first message.
    let mut watcher = Watcher::open(client, request).await?;
    let soon = tokio::time::timeout(Duration::from_secs(1), watcher.next()).await;
    soon.map_or(Ok(()), |message| message.map(|_| ()))
}

fn resumed(token: &str) -> pb::WatchAggregatesRequest {
    pb::WatchAggregatesRequest { resume_token: token.to_owned(), ..scope("economy", "") }
}

/// The same over REST, where a watch is a stream of events.
async fn refused_over_rest(world: &World, tokens: &Tokens, expected: &str) {
    let root = "/api/v1/state/aggregates";
    let filter = "filter=balances.gold%20%3E%3D%200&pageSize=1";
    for (path, field) in [
        (format!("{root}/economy:watch?resumeToken={}", tokens.resume), "resumeToken"),
        (format!("{root}/economy?{filter}&pageToken={}", tokens.page), "pageToken"),
    ] {
        let answer = world.http("GET", &path, &[], "").await;
        let error = answer.json();
        let details = error["details"].as_array().unwrap();
        assert_eq!(answer.status, 400, "{error}");
        assert!(details.iter().any(|detail| detail["reason"] == expected), "{error}");
        assert!(details.iter().any(|d| d["fieldViolations"][0]["field"] == field), "{error}");
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Status>, expected: &str, field: &str) {
    let status = result.unwrap_err();
    assert_eq!(reason(&status), expected, "{status:?}");
    assert_eq!(fields(&status), [field], "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn altered_tokens_and_tokens_for_something_else_are_refused() {
    let world = World::new().await;
    let client = world.client().await;
    let tokens = tokens(&client).await;

    for at in [0, 10, 20, tokens.resume.len() - 2] {
        let altered = |token: &str| {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at.min(token.len() - 2)] ^= 1;
            String::from_utf8(bytes).unwrap()
        };
        for status in [
            resume(&client, resumed(&altered(&tokens.resume))).await.unwrap_err(),
            list(&client, &altered(&tokens.page)).await.unwrap_err(),
            read(&client, &altered(&tokens.read)).await.unwrap_err(),
        ] {
            let reason = reason(&status);
            assert!(["TOKEN_INVALID", "TOKEN_FOREIGN"].contains(&&*reason), "{status:?}");
        }
    }
    for garbage in ["x", "no token!", &"A".repeat(513), "\u{202e}\0"] {
        refused(resume(&client, resumed(garbage)).await, "TOKEN_INVALID", "resumeToken");
        refused(list(&client, garbage).await, "TOKEN_INVALID", "pageToken");
        refused(read(&client, garbage).await, "TOKEN_INVALID", "token");
    }
    // One kind is not another.
    refused(resume(&client, resumed(&tokens.read)).await, "TOKEN_INVALID", "resumeToken");
    refused(list(&client, &tokens.resume).await, "TOKEN_INVALID", "pageToken");
    refused(read(&client, &tokens.page).await, "TOKEN_INVALID", "token");

    // The same kind for other parameters.
    let other =
        pb::WatchAggregatesRequest { filter: "level > 1".into(), ..resumed(&tokens.resume) };
    refused(resume(&client, other).await, "TOKEN_MISMATCH", "resumeToken");
    let other = pb::WatchAggregatesRequest { id: "a".into(), ..resumed(&tokens.resume) };
    refused(resume(&client, other).await, "TOKEN_MISMATCH", "resumeToken");
    let other = pb::WatchAggregatesRequest { r#type: "guild".into(), ..resumed(&tokens.resume) };
    refused(resume(&client, other).await, "TOKEN_MISMATCH", "resumeToken");
    let other = list_with(&client, "guild", "balances.gold >= 0", &tokens.page).await;
    refused(other, "TOKEN_MISMATCH", "pageToken");
    let other = list_with(&client, "economy", "balances.gold >= 1", &tokens.page).await;
    refused(other, "TOKEN_MISMATCH", "pageToken");
    // The same filter, written in another way, is the same.
    list_with(&client, "economy", "(balances.gold   >= 0)", &tokens.page).await.unwrap();

    list(&client, &tokens.page).await.unwrap();
    read(&client, &tokens.read).await.unwrap();
    resume(&client, resumed(&tokens.resume)).await.unwrap();
}

/// A caller who has written in several places brings the token of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_read_tokens_count_together() {
    let (world, other) = (World::new().await, World::new().await);
    let client = world.client().await;
    let read_tokens = [tokens(&client).await.read, tokens(&client).await.read];
    let foreign = tokens(&other.client().await).await.read;
    let list = async |token: &str| {
        let request = pb::ListAggregatesRequest {
            r#type: "economy".to_owned(),
            token: token.to_owned(),
            ..Default::default()
        };
        client.clone().list_aggregates(request).await
    };
    let both = read_tokens.join(",");
    read(&client, &both).await.unwrap();
    list(&both).await.unwrap();
    refused(read(&client, &format!("{both},{foreign}")).await, "TOKEN_FOREIGN", "token");
    refused(read(&client, &format!("{foreign},{both}")).await, "TOKEN_FOREIGN", "token");
    refused(list(&format!("{both},x")).await, "TOKEN_INVALID", "token");
    refused(read(&client, &format!("{both},")).await, "TOKEN_INVALID", "token");

    let many = |count: usize| vec![&*read_tokens[0]; count].join(",");
    read(&client, &many(64)).await.unwrap();
    refused(read(&client, &many(65)).await, "INVALID_ARGUMENT", "token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_another_store_are_foreign_also_with_the_same_secret() {
    let config = || StateConfig { token_secret: Secret::new("shared"), ..StateConfig::default() };
    let (one, other) = (
        World::with(config(), Clock::system()).await,
        World::with(config(), Clock::system()).await,
    );
    let tokens = tokens(&one.client().await).await;
    let client = other.client().await;
    create(&client, "economy", "a", &json!({})).await.unwrap();
    refused(resume(&client, resumed(&tokens.resume)).await, "TOKEN_FOREIGN", "resumeToken");
    refused(list(&client, &tokens.page).await, "TOKEN_FOREIGN", "pageToken");
    refused(read(&client, &tokens.read).await, "TOKEN_FOREIGN", "token");
    refused_over_rest(&other, &tokens, "TOKEN_FOREIGN").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resume_and_page_tokens_expire_and_read_tokens_do_not() {
    let clock = Clock::manual(1_790_000_000_000_000);
    let config = StateConfig { token_age_max: DAY, ..StateConfig::default() };
    let world = World::with(config, clock.clone()).await;
    let client = world.client().await;
    let tokens = tokens(&client).await;
    clock.advance(DAY);
    resume(&client, resumed(&tokens.resume)).await.unwrap();
    list(&client, &tokens.page).await.unwrap();

    clock.advance(Duration::from_micros(1));
    refused(resume(&client, resumed(&tokens.resume)).await, "TOKEN_EXPIRED", "resumeToken");
    refused(list(&client, &tokens.page).await, "TOKEN_EXPIRED", "pageToken");
    refused_over_rest(&world, &tokens, "TOKEN_EXPIRED").await;
    read(&client, &tokens.read).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_from_the_future_of_a_restored_store_are_foreign() {
    let mut world = World::new().await;
    create(&world.client().await, "economy", "a", &json!({})).await.unwrap();
    world.stop().await;
    let backup = world.backup();
    world.start().await;
    let tokens = tokens(&world.client().await).await;
    world.stop().await;
    world.restore(&backup);
    world.start().await;

    let client = world.client().await;
    let status = resume(&client, resumed(&tokens.resume)).await.unwrap_err();
    assert_eq!(reason(&status), "TOKEN_FOREIGN", "{status:?}");
    let status = read(&client, &tokens.read).await.unwrap_err();
    assert_eq!(reason(&status), "TOKEN_FOREIGN", "{status:?}");
}
