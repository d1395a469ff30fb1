//! Cursors and tables.

use bytes::Bytes;

use super::{Fixture, Store};
use crate::{
    AggregateRow, Cursor, Lane, LogError, MatchRow, PlayerRow, Position, Projected, StateRows,
    TableRows, TableSet,
};

const LANE: Lane = Lane(0);

const ALL: [TableSet; 2] = [TableSet::Documents, TableSet::State];

fn to(projection: &str, position: Position) -> Cursor {
    Cursor { projection: projection.to_owned(), lane: LANE, position }
}

/// Rows with the cursor, from a position to the next.
pub(super) fn step(projection: &str, from: Position, rows: Vec<TableRows>) -> Projected {
    Projected { from, to: to(projection, from + 1), rows }
}

pub(super) fn documents(rows: Vec<AggregateRow>) -> TableRows {
    TableRows::Documents(rows)
}

pub(super) fn state(players: Vec<PlayerRow>, matches: Vec<MatchRow>) -> TableRows {
    TableRows::State(StateRows { players, matches })
}

pub(super) fn aggregate(aggregate_type: &str, id: &str, version: u64) -> AggregateRow {
    AggregateRow {
        aggregate_type: aggregate_type.to_owned(),
        id: id.to_owned(),
        version,
        deleted: false,
        created_us: -3,
        updated_us: version as i64,
        reducer: u64::MAX - version,
        state: Bytes::from(format!("{id} at {version}")),
    }
}

pub(super) fn player(player_id: &str, version: u64) -> PlayerRow {
    PlayerRow {
        player_id: player_id.to_owned(),
        deleted: false,
        status: "online".to_owned(),
        level: i64::MAX,
        experience: i64::MIN,
        health: 99.5,
        position: [0.1, -1e-300, f64::MAX],
        inventory: r#"{"sword":1}"#.to_owned(),
        statistics: "{}".to_owned(),
        achievements: r#"["первый 🏆"]"#.to_owned(),
        last_updated_us: 7,
        version,
    }
}

pub(super) fn match_row(match_id: &str, version: u64) -> MatchRow {
    MatchRow {
        match_id: match_id.to_owned(),
        deleted: false,
        phase: "lobby".to_owned(),
        players: "[]".to_owned(),
        events: r#"[{"t":1}]"#.to_owned(),
        statistics: "{}".to_owned(),
        started_us: Some(-1),
        ended_us: None,
        last_updated_us: 8,
        version,
    }
}

async fn ids(store: &dyn Store, after: Option<&str>, limit: usize) -> (Vec<String>, bool) {
    let page = store.list("guild", after, limit).await.unwrap();
    (page.rows.into_iter().map(|row| row.id).collect(), page.more)
}

pub async fn the_cursor_is_a_fence<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let store = fixture.store();
    assert_eq!(store.cursor("p", LANE).await.unwrap().position, 0);
    store.advance(0, to("p", 1)).await.unwrap();
    let late = documents(vec![aggregate("guild", "late", 1)]);
    assert!(matches!(store.write(step("p", 0, vec![late])).await, Err(LogError::Fenced)));
    for stale in [step("p", 2, vec![]), step("q", 1, vec![])] {
        let advanced = store.advance(stale.from, stale.to.clone()).await;
        assert!(matches!(advanced, Err(LogError::Fenced)));
        assert!(matches!(store.write(stale).await, Err(LogError::Fenced)));
    }
    assert_eq!(store.aggregate("guild", "late").await.unwrap(), None);
    // Of many that start at one place, one goes through.
    let racers: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                match n % 2 {
                    0 => store.advance(1, to("p", 2)).await.is_ok(),
                    _ => store.write(step("p", 1, vec![])).await.is_ok(),
                }
            })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += u32::from(racer.await.unwrap());
    }
    assert_eq!(won, 1);
    drop(store);
    fixture.reopen().await;
    let store = fixture.store();
    assert_eq!(store.cursor("p", LANE).await.unwrap(), to("p", 2));
    assert_eq!(store.cursor("q", LANE).await.unwrap().position, 0);
    assert_eq!(store.cursor("p", Lane(1)).await.unwrap().position, 0);
}

pub async fn rows_round_trip<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let store = fixture.store();
    let batch = |from, version| {
        let aggregates =
            vec![aggregate("guild", "g", version), aggregate("world", "g", version + 1)];
        let players = vec![player("p1", version), player("p2", version)];
        let matches = vec![match_row("m", version)];
        step("p", from, vec![documents(aggregates), state(players, matches)])
    };
    store.write(batch(0, 1)).await.unwrap();
    store.write(batch(1, 5)).await.unwrap();
    // Within one batch the last row of an id wins.
    let aggregates = vec![aggregate("guild", "twice", 1), aggregate("guild", "twice", 2)];
    let players = vec![PlayerRow { deleted: true, ..player("p3", 1) }, player("p3", 2)];
    let twice = step("p", 2, vec![documents(aggregates), state(players, vec![])]);
    store.write(twice).await.unwrap();
    drop(store);
    fixture.reopen().await;
    let store = fixture.store();
    assert_eq!(store.aggregate("guild", "g").await.unwrap(), Some(aggregate("guild", "g", 5)));
    assert_eq!(store.aggregate("world", "g").await.unwrap(), Some(aggregate("world", "g", 6)));
    assert_eq!(store.aggregate("guild", "twice").await.unwrap().unwrap().version, 2);
    assert_eq!(store.aggregate("guild", "none").await.unwrap(), None);
    assert_eq!(store.player("p2").await.unwrap(), Some(player("p2", 5)));
    assert_eq!(store.player("p3").await.unwrap(), Some(player("p3", 2)));
    assert_eq!(store.player("P2").await.unwrap(), None);
    assert_eq!(store.match_state("m").await.unwrap(), Some(match_row("m", 5)));
}

pub async fn lists_go_by_bytes<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let mut names = ["b", "B", "a", "", "aa", "é", "e\u{301}", "я", "🦀", "10", "9", "a b"]
        .map(str::to_owned)
        .to_vec();
    let rows = names.iter().map(|id| aggregate("guild", id, 1));
    let aggregates = rows.chain([aggregate("guilds", "x", 1), aggregate("guil", "x", 1)]).collect();
    store.write(step("p", 0, vec![documents(aggregates)])).await.unwrap();
    names.sort();
    assert_eq!(ids(&*store, None, 100).await, (names.clone(), false));
    for limit in 1..=names.len() + 1 {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let (page, more) = ids(&*store, listed.last().map(String::as_str), limit).await;
            assert!(page.len() <= limit);
            listed.extend(page);
            assert_eq!(more, listed.len() < names.len());
            if !more {
                break;
            }
        }
        assert_eq!(listed, names, "limit {limit}");
    }
    assert_eq!(ids(&*store, Some("a!"), 2).await, (vec!["aa".to_owned(), "b".to_owned()], true));
    assert_eq!(ids(&*store, Some("🦀"), 5).await, (vec![], false));
}

pub async fn deleted_rows<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let aggregates = ["a", "b", "c"].map(|id| aggregate("guild", id, 1)).to_vec();
    let players = vec![player("a", 1), player("b", 1)];
    let matches = vec![match_row("a", 1), match_row("b", 1)];
    let rows = vec![documents(aggregates), state(players, matches)];
    store.write(step("p", 0, rows)).await.unwrap();
    let gone = AggregateRow { deleted: true, ..aggregate("guild", "b", 2) };
    let players = vec![PlayerRow { deleted: true, ..player("a", 2) }];
    let matches = vec![MatchRow { deleted: true, ..match_row("b", 2) }];
    let rows = vec![documents(vec![gone.clone()]), state(players, matches)];
    store.write(step("p", 1, rows)).await.unwrap();
    assert_eq!(ids(&*store, None, 1).await, (vec!["a".to_owned()], true));
    assert_eq!(ids(&*store, Some("a"), 1).await, (vec!["c".to_owned()], false));
    assert_eq!(store.aggregate("guild", "b").await.unwrap(), Some(gone));
    assert_eq!(store.player("a").await.unwrap(), None);
    assert!(store.player("b").await.unwrap().is_some());
    assert_eq!(store.match_state("b").await.unwrap(), None);
    let back = documents(vec![aggregate("guild", "b", 3)]);
    store.write(step("p", 2, vec![back])).await.unwrap();
    assert_eq!(ids(&*store, Some("a"), 1).await, (vec!["b".to_owned()], true));
}

pub async fn each_projection_has_tables_of_its_own<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let guilds = || step("documents", 0, vec![documents(vec![aggregate("guild", "g", 1)])]);
    let players = || {
        let rows = state(vec![player("p", 1)], vec![match_row("m", 1)]);
        step("players", 0, vec![rows])
    };
    store.write(guilds()).await.unwrap();
    store.write(players()).await.unwrap();
    store.advance(0, to("relay", 1)).await.unwrap();

    // Without tables only the cursor is forgotten.
    store.reset("relay").await.unwrap();
    assert_eq!(store.cursor("relay", LANE).await.unwrap().position, 0);
    assert!(store.player("p").await.unwrap().is_some());
    store.advance(0, to("relay", 1)).await.unwrap();

    store.clear("players", &[TableSet::State]).await.unwrap();
    assert_eq!(store.cursor("players", LANE).await.unwrap().position, 0);
    assert_eq!(store.cursor("documents", LANE).await.unwrap().position, 1);
    assert_eq!(store.cursor("relay", LANE).await.unwrap().position, 1);
    assert_eq!(store.player("p").await.unwrap(), None);
    assert_eq!(store.match_state("m").await.unwrap(), None);
    assert!(store.aggregate("guild", "g").await.unwrap().is_some());
    store.write(players()).await.unwrap();
    assert!(store.player("p").await.unwrap().is_some());

    store.clear("documents", &ALL).await.unwrap();
    assert_eq!(store.aggregate("guild", "g").await.unwrap(), None);
    assert_eq!(store.player("p").await.unwrap(), None);
    store.write(guilds()).await.unwrap();
    assert!(store.aggregate("guild", "g").await.unwrap().is_some());
}
