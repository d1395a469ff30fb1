//! Laws of the combat tables.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    CombatEventRow, CombatPlayerRow, CombatQuery, CombatRows, CombatSessionRow, CombatTables,
    Cursor, Cursors, Lane, LogError, Position, Projected, TableRows, TableSet, TableWriter,
};

/// What these laws are about.
pub trait CombatStore: Cursors + TableWriter + CombatTables {}

impl<T: Cursors + TableWriter + CombatTables> CombatStore for T {}

const LANE: Lane = Lane(0);
const PROJECTION: &str = "combat";

fn session(id: &str, created_us: i64, revision: u64) -> CombatSessionRow {
    CombatSessionRow {
        session_id: id.to_owned(),
        name: "Финал \"A\"".to_owned(),
        kind: "ranked".to_owned(),
        status: "active".to_owned(),
        max_players: i32::MAX,
        map_id: "foundry".to_owned(),
        game_mode: "deathmatch".to_owned(),
        created_us,
        started_us: Some(-1),
        ended_us: None,
        updated_us: revision as i64,
        revision,
        session: Bytes::from(format!("{id} at {revision}")),
    }
}

fn event(session_id: &str, number: u64, time_us: i64, data: &str) -> CombatEventRow {
    CombatEventRow {
        session_id: session_id.to_owned(),
        number,
        kind: "fired".to_owned(),
        player_id: number.is_multiple_of(2).then(|| "ядро".to_owned()),
        data: format!(r#"{{"what":"{data}"}}"#),
        time_us,
    }
}

fn player(player_id: &str, session_id: &str, score: i64, updated_us: i64) -> CombatPlayerRow {
    CombatPlayerRow {
        player_id: player_id.to_owned(),
        session_id: session_id.to_owned(),
        score,
        updated_us,
        stats: Bytes::from(score.to_string()),
    }
}

fn step(from: Position, rows: CombatRows) -> Projected {
    let to = Cursor { projection: PROJECTION.to_owned(), lane: LANE, position: from + 1 };
    Projected { from, to, rows: vec![TableRows::Combat(rows)] }
}

fn all() -> CombatQuery {
    CombatQuery { limit: 100, ..CombatQuery::default() }
}

async fn ids(store: &dyn CombatStore, query: &CombatQuery) -> Vec<String> {
    store.sessions(query).await.unwrap().into_iter().map(|row| row.session_id).collect()
}

/// Rows and cursor move together; what is older changes nothing, and neither does who has slept.
pub async fn combat_rows_move_with_their_cursor(store: Arc<dyn CombatStore>) {
    let first = CombatRows {
        sessions: vec![session("s1", 5, 2)],
        events: vec![event("s1", 1, 10, "first"), event("s1", 2, 20, "\u{1f980} \\\"")],
        players: vec![player("ada", "s1", 3, 1)],
    };
    store.write(step(0, first.clone())).await.unwrap();
    let late = CombatRows { sessions: vec![session("s2", 6, 1)], ..CombatRows::default() };
    let late = store.write(step(0, late)).await;
    assert!(matches!(late, Err(LogError::Fenced)), "{late:?}");
    assert_eq!(store.sessions(&all()).await.unwrap(), first.sessions);
    assert_eq!(store.combat_events("s1", 100).await.unwrap(), first.events);
    assert_eq!(store.player_sessions("ada", 9).await.unwrap(), first.players);
    assert_eq!(store.cursor(PROJECTION, LANE).await.unwrap().position, 1);

    // Again, as after a crash between a publication and its cursor: an older revision, and events that
    // are there, with another one twice.
    let again = CombatRows {
        sessions: vec![session("s1", 5, 1)],
        events: vec![
            event("s1", 1, 99, "altered"),
            event("s1", 3, 30, "third"),
            event("s1", 3, 30, "altered"),
        ],
        players: vec![player("ada", "s1", 4, 1), player("ada", "s1", 5, 2)],
    };
    store.write(step(1, again)).await.unwrap();
    assert_eq!(store.sessions(&all()).await.unwrap(), first.sessions);
    let expected = [first.events, vec![event("s1", 3, 30, "third")]].concat();
    assert_eq!(store.combat_events("s1", 100).await.unwrap(), expected);
    assert_eq!(store.combat_events("s1", 2).await.unwrap(), expected[..2]);
    assert_eq!(store.combat_events("s9", 2).await.unwrap(), []);
    let newest = vec![player("ada", "s1", 5, 2)];
    assert_eq!(store.player_sessions("ada", 9).await.unwrap(), newest);

    store.clear(PROJECTION, &[TableSet::Combat]).await.unwrap();
    assert_eq!(store.cursor(PROJECTION, LANE).await.unwrap().position, 0);
    assert_eq!(store.sessions(&all()).await.unwrap(), []);
    assert_eq!(store.combat_events("s1", 9).await.unwrap(), []);
    assert_eq!(store.player_sessions("ada", 9).await.unwrap(), []);
}

/// Sessions are listed the newest first, by what is asked for, a page at a time.
pub async fn combat_sessions_are_listed_by_what_is_asked_for(store: Arc<dyn CombatStore>) {
    // Ids of one moment go by their bytes.
    let mut rows = CombatRows::default();
    for (id, created_us) in [("B", 1), ("a", 1), ("é", 1), ("old", -7), ("new", 2), ("0", 1)] {
        rows.sessions.push(session(id, created_us, 1));
        rows.players.push(player("ada", id, 0, created_us));
    }
    rows.sessions[0].status = "ended".to_owned();
    rows.sessions[1].map_id = "yard".to_owned();
    rows.sessions[2].game_mode = "rounds".to_owned();
    rows.players.push(player("bob", "old", 1, 1));
    store.write(step(0, rows)).await.unwrap();

    let listed = ["new", "é", "a", "B", "0", "old"];
    assert_eq!(ids(&*store, &all()).await, listed);
    for limit in 1..=7 {
        let mut paged: Vec<String> = Vec::new();
        let mut after = None;
        loop {
            let page = store.sessions(&CombatQuery { after, limit, ..all() }).await.unwrap();
            paged.extend(page.iter().map(|row| row.session_id.clone()));
            let Some(last) = page.last().filter(|_| page.len() == limit) else { break };
            after = Some((last.created_us, last.session_id.clone()));
        }
        assert_eq!(paged, listed, "limit {limit}");
    }
    let some = |text: &str| Some(text.to_owned());
    let table = [
        (CombatQuery { status: some("ended"), ..all() }, vec!["B"]),
        (CombatQuery { map_id: some("yard"), ..all() }, vec!["a"]),
        (CombatQuery { game_mode: some("rounds"), ..all() }, vec!["é"]),
        (CombatQuery { player_id: some("bob"), ..all() }, vec!["old"]),
        (CombatQuery { status: some("active"), limit: 2, ..all() }, vec!["new", "é"]),
        (CombatQuery { map_id: some("yard"), player_id: some("bob"), ..all() }, vec![]),
        (CombatQuery { status: some(""), ..all() }, vec![]),
    ];
    for (query, expected) in table {
        assert_eq!(ids(&*store, &query).await, expected, "{query:?}");
    }
    let newest: Vec<String> = store
        .player_sessions("ada", 2)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.session_id)
        .collect();
    assert_eq!(newest, ["new", "é"]);
}
