//! Reads: freshness, versions, watches, boards.

use gamemesh_contracts::stats::v1 as pb;
use serde_json::json;

use super::sample::{end, kill};
use super::world::World;

#[tokio::test]
async fn what_was_acknowledged_is_seen_at_once_and_versions_stay() {
    let world = World::new().await;
    for n in 0..20 {
        world.post(&[kill("m", &format!("e{n}"), n, "a", "b")]).await;
        let shown = world.get("matches/m/players/a").await;
        assert_eq!(shown["kills"], n + 1);
        let board = world.get("leaderboards/kills").await;
        assert_eq!(board["entries"][0]["value"], n + 1);
    }
    let early = world.get("matches/m?asOfVersion=7").await;
    assert_eq!((&early["version"], &early["totals"]["kills"]), (&json!("7"), &json!(7)));
    let answer = world.http("GET", "matches/m?asOfVersion=21", &[], "").await;
    assert_eq!(answer.status, 400);
    let known = [("if-none-match", "\"20\"")];
    assert_eq!(world.http("GET", "matches/m", &known, "").await.status, 304);
    let other = world.http("GET", "matches/m", &[("if-none-match", "\"19\"")], "").await;
    assert_eq!((other.status, other.headers["etag"].to_str().unwrap()), (200, "\"20\""));
    let any = world.get("matches/m?consistency=CONSISTENCY_ANY").await;
    assert_eq!(any["version"], "20");
    let aged = world.get("matches/m?consistency=CONSISTENCY_BOUNDED&maxAge=1s").await;
    assert_eq!(aged["version"], "20");
    let wrong = "matches/m?consistency=CONSISTENCY_BOUNDED";
    assert_eq!(world.http("GET", wrong, &[], "").await.status, 400);
}

#[tokio::test]
async fn a_watch_begins_before_the_match_and_sees_its_end() {
    let world = World::new().await;
    let mut client = world.client().await;
    let request = pb::WatchMatchRequest { match_id: "m".to_owned(), ..Default::default() };
    let mut watch = client.watch_match(request).await.unwrap().into_inner();
    world.post(&[kill("m", "e1", 0, "a", "b")]).await;
    let first = watch.message().await.unwrap().unwrap().r#match.unwrap();
    assert_eq!(first.version, 1);
    for n in 2..50 {
        world.post(&[kill("m", &format!("e{n}"), n, "a", "b")]).await;
    }
    world.post(&[end("m", "end", 60, "a")]).await;
    let mut last = first;
    while last.version < 50 {
        let next = watch.message().await.unwrap().unwrap().r#match.unwrap();
        assert!(next.version > last.version);
        last = next;
    }
    assert_eq!((last.status(), last.winner.as_str()), (pb::MatchStatus::Ended, "a"));
}

#[tokio::test]
async fn pages_go_on_after_the_last_player_however_the_board_changes() {
    let world = World::new().await;
    let mut events = Vec::new();
    for player in 0..7 {
        for n in 0..7 - player {
            let id = format!("e{player}-{n}");
            events.push(kill("m", &id, n, &format!("p{player}"), "victim"));
        }
    }
    world.post(&events).await;
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("leaderboards/kills?limit=2&pageToken={token}")).await;
        for entry in page["entries"].as_array().unwrap() {
            seen.push(entry["playerId"].as_str().unwrap().to_owned());
        }
        token = page["nextPageToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
        // Somebody overtakes those who were seen.
        let id = format!("more-{}", seen.len());
        world.post(&[kill("m2", &id, 0, "p0", "victim")]).await;
    }
    assert_eq!(seen, ["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
    let ascending = world.get("leaderboards/kills?order=ORDER_ASCENDING&limit=3").await;
    assert_eq!(ascending["entries"][0]["playerId"], "p6");
    let rank = world.get("leaderboards/kills/players/p1?around=4").await;
    let ranks: Vec<_> =
        rank["around"].as_array().unwrap().iter().map(|e| e["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, [1, 2, 3, 4]);
}

#[tokio::test]
async fn g7_two_ends_rate_a_match_once_and_a_void_one_not_at_all() {
    let world = World::new().await;
    world.post(&[kill("m", "e1", 0, "a", "b"), end("m", "x1", 9, "a")]).await;
    let once = world.get("ratings").await;
    world.post(&[end("m", "x2", 9, "a"), end("m", "x1", 9, "a")]).await;
    assert_eq!(world.get("ratings").await["ratings"], once["ratings"]);
    assert_eq!(once["matches"], "1");
    let mut void = end("m", "x3", 10, "");
    void["event_data"] = json!({"voided": true});
    world.post(&[void]).await;
    assert_eq!(world.get("ratings").await["total"], "0");
    assert_eq!(world.http("GET", "players/a", &[], "").await.status, 404);
    assert_eq!(world.get("matches/m").await["status"], "MATCH_STATUS_VOIDED");
}
