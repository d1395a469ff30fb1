//! What players did.

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_testkit::postgres::Postgres;
use prost_types::value::Kind;

use super::calls::{at, object, reason};
use super::world::{Game, NOW_US, World};

const DAY_US: i64 = 86_400_000_000;

fn entry(id: u128, action: &str, time_us: i64) -> pb::HistoryEntry {
    pb::HistoryEntry {
        entry_id: uuid::Uuid::from_u128(id).to_string(),
        action: action.to_owned(),
        context: Some(object(&[("map", Kind::StringValue("mill".to_owned()))])),
        time: at(time_us),
        ..pb::HistoryEntry::default()
    }
}

async fn append(game: &mut Game, player: &str, entries: Vec<pb::HistoryEntry>) -> i32 {
    let request = pb::AppendHistoryRequest { player_id: player.to_owned(), entries };
    game.append_history(request).await.unwrap().into_inner().repeated_entries
}

async fn actions(game: &mut Game, player: &str, oldest_first: bool) -> Vec<String> {
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListHistoryRequest {
            player_id: player.to_owned(),
            page_size: 7,
            page_token,
            oldest_first,
            ..Default::default()
        };
        let page = game.list_history(request).await.unwrap().into_inner();
        seen.extend(page.entries.into_iter().map(|entry| entry.action));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return seen;
        }
    }
}

async fn appended_and_listed(world: World) {
    let mut game = world.game().await;
    let entries: Vec<_> =
        (0..40).map(|n| entry(n, &format!("a{n}"), NOW_US - 3 * DAY_US * n as i64)).collect();
    assert_eq!(append(&mut game, "p1", entries.clone()).await, 0);
    // Sent again, each is there once.
    assert_eq!(append(&mut game, "p1", entries).await, 40);
    append(&mut game, "p2", vec![entry(1, "other", NOW_US)]).await;
    let newest: Vec<String> = (0..40).map(|n| format!("a{n}")).collect();
    assert_eq!(actions(&mut game, "p1", false).await, newest);
    let oldest: Vec<String> = newest.into_iter().rev().collect();
    assert_eq!(actions(&mut game, "p1", true).await, oldest);
    assert_eq!(actions(&mut game, "p2", true).await, ["other"]);
}

#[tokio::test]
async fn in_memory() {
    appended_and_listed(World::on("memory:").await).await;
}

#[tokio::test]
async fn on_sqlite() {
    appended_and_listed(World::new().await).await;
}

/// Months ahead are there before they are needed, a month that nobody made is made when something goes
/// there, and each boundary is one of UTC.
#[tokio::test]
async fn on_postgres_by_months() {
    let postgres = Postgres::start().unwrap();
    let world = World::on(postgres.url()).await;
    let mut game = world.game().await;
    let months = |game: &mut Game| {
        let mut game = game.clone();
        async move {
            let request = pb::ListHistoryPartitionsRequest {};
            game.list_history_partitions(request).await.unwrap().into_inner().partitions
        }
    };
    let ahead: Vec<String> = months(&mut game).await.into_iter().map(|m| m.name).collect();
    for month in ["2026_10", "2026_11", "2026_12", "2027_01", "2027_02"] {
        assert!(ahead.contains(&format!("player_history_{month}")), "{ahead:?}");
    }
    // The first and the last moment of a month, far ahead, and long ago.
    let boundary = 1_796_083_200_000_000;
    let times = [boundary - 1, boundary, 2_000_000_000_000_000, 951_868_799_999_999];
    for (n, time_us) in times.into_iter().enumerate() {
        append(&mut game, "p3", vec![entry(n as u128, &format!("t{n}"), time_us)]).await;
    }
    assert_eq!(actions(&mut game, "p3", true).await, ["t3", "t0", "t1", "t2"]);
    let all = months(&mut game).await;
    for pair in all.windows(2) {
        assert!(pair[0].until_time.unwrap().seconds <= pair[1].from_time.unwrap().seconds);
    }
    let detach = |name: &str| pb::DetachHistoryPartitionRequest { name: name.to_owned() };
    let refused = game.detach_history_partition(detach("player_history_2026_11")).await;
    assert_eq!(reason(&refused.unwrap_err()), "OPERATION_REFUSED");
    for wrong in ["memories", "player_history_2000_02; DROP TABLE memories", ""] {
        let refused = game.detach_history_partition(detach(wrong)).await.unwrap_err();
        assert_eq!(reason(&refused), "NOT_FOUND");
    }
    game.detach_history_partition(detach("player_history_2000_02")).await.unwrap();
    assert_eq!(actions(&mut game, "p3", true).await, ["t0", "t1", "t2"]);
    appended_and_listed(world).await;
}

#[tokio::test]
async fn bad_entries_are_refused_and_nothing_is_kept() {
    let world = World::new().await;
    let mut game = world.game().await;
    let good = || entry(1, "a", NOW_US);
    let cases = [
        ("none", vec![]),
        ("too many", vec![good(); 1_001]),
        ("action", vec![good(), pb::HistoryEntry { action: String::new(), ..good() }]),
        ("id", vec![good(), pb::HistoryEntry { entry_id: "x".to_owned(), ..good() }]),
        ("no time", vec![good(), pb::HistoryEntry { time: None, ..good() }]),
        ("1970", vec![good(), entry(2, "a", 0)]),
        ("9999", vec![good(), entry(2, "a", 253_402_300_799_000_000)]),
        ("player", vec![good(), pb::HistoryEntry { player_id: "p2".to_owned(), ..good() }]),
    ];
    for (what, entries) in cases {
        let request = pb::AppendHistoryRequest { player_id: "p1".to_owned(), entries };
        let refused = game.append_history(request).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_ARGUMENT", "{what}");
    }
    assert!(actions(&mut game, "p1", false).await.is_empty());
}
