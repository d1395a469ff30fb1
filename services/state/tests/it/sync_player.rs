//! A game server that was cut off is whole after one call.

use gamemesh_contracts::state::v1 as pb;
use pb::change_outcome::Status as Outcome;
use pb::field_outcome::Resolution;
use pb::pending_change::Change;
use serde_json::{Value as Json, json};

use super::calls::{fields, incremented, merge, operations, reason, set, update};
use super::documents::{document, message, number};
use super::world::{Client, World};

fn patch(key: &str, base: Option<i64>, patch: &Json) -> pb::PendingChange {
    pb::PendingChange {
        idempotency_key: key.to_owned(),
        change: Some(Change::MergePatch(document(patch))),
        base_version: base,
        occurred_at: None,
    }
}

fn operate(key: &str, base: Option<i64>, operations: Vec<pb::Operation>) -> pb::PendingChange {
    pb::PendingChange {
        idempotency_key: key.to_owned(),
        change: Some(Change::Operations(pb::Operations { operations })),
        base_version: base,
        occurred_at: None,
    }
}

async fn sync(
    client: &Client,
    last_seen_version: i64,
    changes: Vec<pb::PendingChange>,
) -> pb::SyncPlayerResponse {
    let request = pb::SyncPlayerRequest {
        player_id: "p".to_owned(),
        last_seen_version,
        changes,
        source_region: "eu-1".to_owned(),
        ..Default::default()
    };
    client.clone().sync_player(request).await.unwrap().into_inner()
}

fn outcomes(answer: &pb::SyncPlayerResponse) -> Vec<(&str, Outcome, i64)> {
    answer.outcomes.iter().map(|o| (&*o.idempotency_key, o.status(), o.version)).collect()
}

fn settled(outcome: &pb::ChangeOutcome) -> Vec<(&str, Resolution)> {
    outcome.fields.iter().map(|field| (&*field.path, field.resolution())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_cut_off_is_whole_after_one_call_however_often_it_calls() {
    let mut world = World::new().await;
    let client = world.client().await;
    // Seen by the server before it was cut off: version 1.
    let begin = json!({"status": "in_match", "level": 5, "experience": 100, "health": 80});
    let request = merge("player", "p", &begin);
    update(&client, pb::UpdateAggregateRequest { create_missing: true, ..request }).await.unwrap();
    // What others did meanwhile: versions 2 and 3.
    update(&client, merge("player", "p", &json!({"status": "away", "level": 7}))).await.unwrap();
    let more = operations("player", "p", vec![incremented("experience", 50.0)]);
    update(&client, more).await.unwrap();

    let changes = || {
        vec![
            // Nobody else touched health and gold; status was changed by others, who have been seen;
            // of two levels the greater stays, and experience adds up.
            patch(
                "1",
                Some(1),
                &json!({"health": 60, "inventory": {"gold": 9}, "status": "online"}),
            ),
            patch("2", Some(1), &json!({"level": 6, "experience": 130})),
            operate("3", Some(1), vec![incremented("statistics.kills", 2.0)]),
            // Upon its own change: that is not contested.
            patch("4", Some(1), &json!({"health": 55})),
            patch("5", Some(1), &json!({"status": "online"})),
            patch("6", None, &json!({"health": -1})),
        ]
    };
    let answer = sync(&client, 1, changes()).await;
    let expected = [
        ("1", Outcome::Applied, 4),
        ("2", Outcome::Applied, 5),
        ("3", Outcome::Applied, 6),
        ("4", Outcome::Applied, 7),
        ("5", Outcome::Refused, 0),
        ("6", Outcome::Refused, 0),
    ];
    assert_eq!(outcomes(&answer), expected);
    use Resolution::{Applied, Kept, Merged, Refused};
    let told: Vec<_> = answer.outcomes.iter().map(settled).collect();
    assert_eq!(
        told,
        [
            vec![("health", Applied), ("inventory.gold", Applied), ("status", Kept)],
            vec![("experience", Merged), ("level", Merged)],
            vec![("statistics.kills", Applied)],
            vec![("health", Applied)],
            vec![("status", Kept)],
            vec![("health", Refused)],
        ]
    );
    let refusals: Vec<_> =
        answer.outcomes[4..].iter().map(|o| &*o.refusal.as_ref().unwrap().reason).collect();
    assert_eq!(refusals, ["VERSION_CONFLICT", "SCHEMA_VIOLATION"]);
    let kept = &answer.outcomes[0].fields[2];
    assert_eq!(kept.value, Some(message(&json!("away"))));

    let player = answer.player.clone().unwrap();
    assert_eq!((&*player.status, player.level, player.health), ("away", Some(7), Some(55.0)));
    assert_eq!((player.experience, player.version), (Some(180), 7));
    assert_eq!(number(player.inventory.as_ref().unwrap(), &["gold"]), Some(9.0));
    let versions: Vec<_> = answer.events.iter().map(|event| event.version).collect();
    assert_eq!(versions, [2, 3, 4, 5, 6, 7]);
    assert!(!answer.events_truncated);
    let regions: Vec<_> =
        answer.events.iter().map(|e| &*e.metadata.as_ref().unwrap().region).collect();
    assert_eq!(regions, ["", "", "eu-1", "eu-1", "eu-1", "eu-1"]);

    // The answer was lost, and once more after a restart.
    let events = world.events();
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let client = world.client().await;
        let again = sync(&client, 1, changes()).await;
        let repeated: Vec<_> = expected
            .iter()
            .map(|&(key, status, version)| match status {
                Outcome::Applied => (key, Outcome::Repeated, version),
                status => (key, status, version),
            })
            .collect();
        assert_eq!(outcomes(&again), repeated);
        assert_eq!((again.player, again.events), (answer.player.clone(), answer.events.clone()));
        assert_eq!(world.events(), events);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_that_nobody_has_seen_is_brought_into_being() {
    let world = World::new().await;
    let client = world.client().await;
    let empty = sync(&client, 0, Vec::new()).await;
    assert_eq!((empty.player, empty.events.len()), (None, 0));
    let occurred_at = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5_000 });
    let change = operate("1", Some(0), vec![set("level", &json!(3))]);
    let answer = sync(&client, 0, vec![pb::PendingChange { occurred_at, ..change }]).await;
    assert_eq!(outcomes(&answer), [("1", Outcome::Applied, 1)]);
    assert_eq!(answer.player.unwrap().level, Some(3));
    assert_eq!(answer.events[0].kind, "created");
    assert_eq!(answer.events[0].metadata.as_ref().unwrap().occurred_at, occurred_at);

    // More events than asked for.
    for n in 0..5 {
        update(&client, merge("player", "p", &json!({"health": n}))).await.unwrap();
    }
    let request =
        pb::SyncPlayerRequest { player_id: "p".to_owned(), events_max: 2, ..Default::default() };
    let answer = client.clone().sync_player(request).await.unwrap().into_inner();
    assert_eq!((answer.events.len(), answer.events_truncated), (2, true));
    assert_eq!(answer.player.unwrap().version, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_meant_is_refused_before_anything_is_applied() {
    let world = World::new().await;
    let client = world.client().await;
    let good = || patch("1", None, &json!({"level": 2}));
    let request = pb::SyncPlayerRequest {
        player_id: "p".to_owned(),
        changes: vec![good()],
        ..Default::default()
    };
    let future = pb::SyncPlayerRequest { last_seen_version: 1, ..request.clone() };
    let elsewhere = pb::SyncPlayerRequest { target_region: "us-1".to_owned(), ..request.clone() };
    let many = pb::SyncPlayerRequest { changes: vec![good(); 1_001], ..request.clone() };
    let events = pb::SyncPlayerRequest { events_max: -1, ..request.clone() };
    let long = pb::SyncPlayerRequest { source_region: "r".repeat(65), ..request.clone() };
    for (request, expected, field) in [
        (future, "OUT_OF_HISTORY", "lastSeenVersion"),
        (elsewhere, "INVALID_ARGUMENT", "targetRegion"),
        (many, "INVALID_ARGUMENT", "changes"),
        (events, "INVALID_ARGUMENT", "eventsMax"),
        (long, "INVALID_ARGUMENT", "sourceRegion"),
    ] {
        let status = client.clone().sync_player(request).await.unwrap_err();
        assert_eq!((reason(&status), fields(&status)), (expected.into(), vec![field.to_owned()]));
    }
    assert_eq!(world.events(), 0);

    // A wrong change is its own outcome; the others stand.
    let keyless = patch("", None, &json!({"level": 2}));
    let nothing = pb::PendingChange { idempotency_key: "2".to_owned(), ..Default::default() };
    let upon = patch("3", Some(9), &json!({"level": 2}));
    let answer = sync(&client, 0, vec![keyless, nothing, upon, good()]).await;
    let told: Vec<_> = answer.outcomes.iter().map(|o| o.status()).collect();
    assert_eq!(told, [Outcome::Refused, Outcome::Refused, Outcome::Refused, Outcome::Applied]);
    let fields: Vec<_> = answer.outcomes[..3]
        .iter()
        .map(|o| &*o.refusal.as_ref().unwrap().fields[0].field)
        .collect();
    assert_eq!(
        fields,
        ["changes[0].idempotencyKey", "changes[1].change", "changes[2].baseVersion"]
    );
}

/// A caller's queue: each change made upon the one before it, all upon version 1.
fn queue(count: i64) -> Vec<pb::PendingChange> {
    let made = |n: i64| {
        let status = if n % 2 == 0 { "in_match" } else { "online" };
        let change = json!({"experience": 100 + n * 10, "status": status});
        patch(&format!("q{n}"), Some(1), &change)
    };
    (1..=count).map(made).collect()
}

async fn begun(client: &Client) {
    let begin = json!({"status": "away", "experience": 100});
    let request = merge("player", "p", &begin);
    update(client, pb::UpdateAggregateRequest { create_missing: true, ..request }).await.unwrap();
}

fn experience(answer: &pb::SyncPlayerResponse) -> (i64, &str) {
    let player = answer.player.as_ref().unwrap();
    (player.experience.unwrap(), &player.status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_ends_as_the_one_call_however_much_of_it_was_brought_in_before() {
    for others in [false, true] {
        for brought_in in [1, 3, 8] {
            let mut world = World::new().await;
            let client = world.client().await;
            begun(&client).await;
            let changes = queue(8);
            sync(&client, 1, changes[..brought_in].to_vec()).await;
            if others {
                let seven = vec![incremented("experience", 7.0)];
                update(&client, operations("player", "p", seven)).await.unwrap();
            }
            world.restart().await;
            let client = world.client().await;
            for _ in 0..2 {
                let answer = sync(&client, 1, changes.clone()).await;
                let expected = if others { 187 } else { 180 };
                assert_eq!(experience(&answer), (expected, "in_match"), "{brought_in} {others}");
                assert!(answer.outcomes.iter().all(|o| o.status() != Outcome::Refused));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_an_origin_are_made_one_upon_the_other_in_whatever_calls_they_come() {
    let world = World::new().await;
    let client = world.client().await;
    begun(&client).await;
    let of = |origin: &str, changes: &[pb::PendingChange]| pb::SyncPlayerRequest {
        player_id: "p".to_owned(),
        changes: changes.to_vec(),
        origin: origin.to_owned(),
        ..Default::default()
    };
    let changes = queue(6);
    for calls in [vec![0..1, 1..2, 2..4], vec![1..3, 3..6]] {
        for range in calls {
            client.clone().sync_player(of("phone", &changes[range])).await.unwrap();
        }
    }
    let answer = client.clone().sync_player(of("phone", &[])).await.unwrap().into_inner();
    assert_eq!(experience(&answer), (160, "in_match"));
    let origin = &answer.events.last().unwrap().metadata.as_ref().unwrap().origin;
    assert_eq!(origin, "phone");
    // Another device of the same player is another: what the first made is added to.
    let other = [patch("t", Some(1), &json!({"experience": 105, "status": "x"}))];
    let answer = client.clone().sync_player(of("tablet", &other)).await.unwrap().into_inner();
    assert_eq!(experience(&answer), (165, "in_match"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_player_is_not_brought_back_by_a_change_of_it() {
    let world = World::new().await;
    let client = world.client().await;
    begun(&client).await;
    let delete = pb::DeleteAggregateRequest {
        r#type: "player".to_owned(),
        id: "p".to_owned(),
        ..Default::default()
    };
    client.clone().delete_aggregate(delete).await.unwrap();
    let kill = |key: &str, base| operate(key, base, vec![incremented("statistics.kills", 1.0)]);
    let answer = sync(&client, 1, vec![kill("1", Some(1)), kill("2", None)]).await;
    assert_eq!(answer.player, None);
    for outcome in &answer.outcomes {
        let refusal = outcome.refusal.as_ref().unwrap();
        assert_eq!((outcome.status(), &*refusal.reason), (Outcome::Refused, "NOT_FOUND"));
        assert_eq!(refusal.facts.get("actualVersion").map(String::as_str), Some("2"));
    }
    let again = sync(&client, 1, vec![kill("3", Some(2))]).await;
    assert_eq!(outcomes(&again), [("3", Outcome::Applied, 3)]);
}
