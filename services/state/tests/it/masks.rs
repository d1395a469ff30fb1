//! Masks and whole states over REST: names of entries are data, what is left out becomes the default.

use serde_json::{Value as Json, json};

use super::world::World;

const B: &str = "/api/v1/state";

async fn send(world: &World, method: &str, path: &str, body: &Json) -> (u16, Json) {
    let headers = [("content-type", "application/json")];
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let answer = world.http(method, &format!("{B}{path}"), &headers, text).await;
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_entries_are_written_as_they_are() {
    let world = World::new().await;
    let bag = json!({"goldCoins": 1, "gold_coins": 500, "a, B": 1});
    send(&world, "PUT", "/player/m", &json!({"inventory": bag})).await;
    let five = json!({"inventory": {"goldCoins": 5, "a, B": 7}, "positionX": 3});
    let mask = "updateMask=inventory.goldCoins,inventory.%22a,%20B%22,positionX,position_y";
    let (status, answer) = send(&world, "PUT", &format!("/player/m?{mask}"), &five).await;
    let expected = json!({"goldCoins": 5, "gold_coins": 500, "a, B": 7});
    assert_eq!((status, &answer["inventory"]), (200, &expected), "{answer}");
    assert_eq!(answer["positionX"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_out_becomes_the_default() {
    let world = World::new().await;
    send(&world, "PUT", "/player/p", &json!({"level": 9, "status": "online", "health": 3})).await;
    let mask = "/player/p?updateMask=status,health,level,inventory";
    let (status, answer) = send(&world, "PUT", mask, &json!({})).await;
    let player = &answer;
    assert_eq!(
        (status, &player["status"], &player["level"], &player["health"]),
        (200, &json!("offline"), &json!(1), &json!(100)),
        "{answer}"
    );
    for _ in 0..2 {
        let replace = json!({"replace": {"level": 4}, "createMissing": true});
        let (status, answer) = send(&world, "PATCH", "/aggregates/player/p", &replace).await;
        let state = &answer["aggregate"]["state"];
        assert_eq!(
            (status, &state["level"], &state["status"]),
            (200, &json!(4), &json!("offline"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_names_no_field_of_a_closed_type_is_refused() {
    let world = World::new().await;
    let list = |filter: &'static str| format!("/aggregates/player?filter={filter}");
    let (status, answer) = send(&world, "GET", &list("positionX%20%3E%2050"), &json!(null)).await;
    let message = answer["message"].as_str().unwrap();
    assert!(status == 400 && message.contains("perhaps position.x"), "{answer}");
    let (status, _) = send(&world, "GET", &list("-position.x%20%3E%2050"), &json!(null)).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_inside_is_the_one_that_was_read() {
    let world = World::new().await;
    let (_, first) = send(&world, "PUT", "/player/p", &json!({"level": 1})).await;
    let mut read = first.clone();
    read["level"] = json!(2);
    assert_eq!(send(&world, "PUT", "/player/p", &read).await.0, 200);
    read["level"] = json!(3);
    let (status, answer) = send(&world, "PUT", "/player/p", &read).await;
    assert_eq!((status, &answer["details"][0]["reason"]), (409, &json!("VERSION_CONFLICT")));
    assert_eq!(answer["details"][0]["metadata"]["id"], "p");
    let (status, answer) = send(&world, "PUT", "/player/p?expectedVersion=2", &read).await;
    assert_eq!(
        (status, answer["message"].as_str().unwrap().contains("player.version")),
        (400, true)
    );
}

/// Forty aggregates of half a megabyte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_shorter_rather_than_too_long() {
    let world = World::new().await;
    let state = json!({"s": "x".repeat(500_000)});
    for n in 0..40 {
        let path = format!("/aggregates/economy/big-{n:02}");
        assert_eq!(send(&world, "POST", &path, &state).await.0, 200);
    }
    let (mut ids, mut pages, mut token) = (Vec::new(), 0, String::new());
    loop {
        let path = format!("/aggregates/economy?pageSize=1000&pageToken={token}");
        let (status, page) = send(&world, "GET", &path, &Json::Null).await;
        assert_eq!(status, 200, "{page}");
        let listed = page["aggregates"].as_array().unwrap();
        ids.extend(listed.iter().map(|aggregate| aggregate["id"].as_str().unwrap().to_owned()));
        pages += 1;
        token = page["nextPageToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((ids.len(), pages), (40, 2));
    assert!(ids.is_sorted());
    let keys: Vec<_> = ids.iter().map(|id| json!({"type": "economy", "id": id})).collect();
    let (status, answer) =
        send(&world, "POST", "/aggregates:batchGet", &json!({"keys": keys})).await;
    let results = answer["results"].as_array().unwrap();
    let refused =
        results.iter().filter(|result| result["refusal"]["reason"] == "PAYLOAD_TOO_LARGE");
    assert_eq!((status, results.len()), (200, 40));
    assert!((10..20).contains(&refused.count()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_line_ends_a_stream_of_updates_with_its_number() {
    let world = World::new().await;
    let line = |n: u32| {
        let update =
            json!({"type": "economy", "id": "e", "mergePatch": {"n": n}, "createMissing": true});
        json!({"sequence": n, "update": update}).to_string()
    };
    for (type_of_body, body, answered, number) in [
        ("application/x-ndjson", format!("{}\n{{bad\n{}\n", line(1), line(3)), 1, Some("2")),
        ("application/x-ndjson", "{bad".to_owned(), 0, Some("1")),
        ("application/json", "{bad".to_owned(), 0, None),
    ] {
        let path = format!("{B}/aggregates:streamUpdates");
        let answer = world.http("POST", &path, &[("content-type", type_of_body)], body).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let lines: Vec<Json> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), answered + 1, "{text}");
        let error = &lines.last().unwrap()["error"];
        assert_eq!(error["details"][0]["reason"], "MALFORMED_BODY", "{text}");
        let told = error["details"][0]["metadata"]["line"].as_str();
        assert_eq!(told, number, "{text}");
    }
}
