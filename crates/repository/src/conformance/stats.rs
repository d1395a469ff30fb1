//! Laws of the stats tables.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    FrozenRow, Lane, LogError, MatchStatsRow, MatchSummaryRow, PlayerStatsRow, StatsProgress,
    StatsTables, StatsWrite,
};

fn row(match_id: &str, version: u64, players: &[&str]) -> MatchStatsRow {
    let player = |id: &&str| PlayerStatsRow {
        player_id: (*id).to_owned(),
        team: "té\"am".to_owned(),
        kills: i64::MAX,
        deaths: version as i64,
        figures: format!("{{\"kills\":{version}}}"),
        ..PlayerStatsRow::default()
    };
    MatchStatsRow {
        match_id: match_id.to_owned(),
        lane: Lane(0),
        version,
        status: "active".to_owned(),
        map: "dust".to_owned(),
        mode: String::new(),
        winner: String::new(),
        started_us: Some(-1),
        ended_us: None,
        last_event_us: i64::MIN,
        state: Bytes::from(vec![version as u8; 3]),
        summary: Bytes::from(vec![version as u8, 0]),
        players: players.iter().map(player).collect(),
    }
}

fn write(from: u64, to: u64, matches: Vec<MatchStatsRow>) -> StatsWrite {
    let to = StatsProgress { position: to, state: Bytes::from(to.to_string()) };
    StatsWrite { lane: Lane(0), from, to, matches }
}

/// Rows and progress move together; older rows and older writers change nothing.
pub async fn stats_rows_move_with_their_progress(tables: Arc<dyn StatsTables>) {
    assert_eq!(tables.stats_progress(Lane(0)).await.unwrap(), StatsProgress::default());
    let first = vec![row("m2", 2, &["b", "a"]), row("m1", 1, &["a"])];
    tables.write_stats(write(0, 5, first)).await.unwrap();
    let progress = tables.stats_progress(Lane(0)).await.unwrap();
    assert_eq!(progress, StatsProgress { position: 5, state: Bytes::from("5") });
    // Somebody who has slept.
    let late = tables.write_stats(write(0, 9, vec![row("m3", 1, &[])])).await;
    assert!(matches!(late, Err(LogError::Fenced)), "{late:?}");
    assert_eq!(tables.match_stats("m3").await.unwrap(), None);
    assert_eq!(tables.stats_progress(Lane(0)).await.unwrap().position, 5);

    tables.write_stats(write(5, 6, vec![row("m2", 1, &["z"])])).await.unwrap();
    let kept = tables.match_stats("m2").await.unwrap().unwrap();
    let mut expected = row("m2", 2, &["a", "b"]);
    expected.players.sort_by(|a, b| a.player_id.cmp(&b.player_id));
    assert_eq!(kept, expected);
    tables.write_stats(write(6, 7, vec![row("m2", 3, &["a"])])).await.unwrap();
    assert_eq!(tables.match_stats("m2").await.unwrap(), Some(row("m2", 3, &["a"])));
    assert_eq!(tables.match_state_bytes("m2").await.unwrap(), Some(Bytes::from(vec![3; 3])));
    assert_eq!(tables.match_state_bytes("m9").await.unwrap(), None);

    let summary = |id: &str, version: u64| MatchSummaryRow {
        match_id: id.to_owned(),
        version,
        summary: Bytes::from(vec![version as u8, 0]),
    };
    let all = [summary("m1", 1), summary("m2", 3)];
    assert_eq!(tables.match_summaries(None, 9).await.unwrap(), all);
    assert_eq!(tables.match_summaries(None, 1).await.unwrap(), all[..1]);
    assert_eq!(tables.match_summaries(Some("m1"), 9).await.unwrap(), all[1..]);
}

/// A closed window is kept once.
pub async fn closed_windows_are_kept_once(tables: Arc<dyn StatsTables>) {
    let row = |window: &str, player: &str, byte: u8| FrozenRow {
        window: window.to_owned(),
        player_id: player.to_owned(),
        figures: Bytes::from(vec![byte]),
    };
    let first = vec![row("w1", "b", 1), row("w1", "a", 2)];
    tables.freeze("w1", first).await.unwrap();
    tables.freeze("w1", vec![row("w1", "c", 3)]).await.unwrap();
    tables.freeze("w2", vec![row("w2", "c", 4)]).await.unwrap();
    let kept = [row("w1", "a", 2), row("w1", "b", 1), row("w2", "c", 4)];
    tables.freeze("w3", Vec::new()).await.unwrap();
    assert_eq!(tables.frozen_windows().await.unwrap(), ["w1", "w2", "w3"]);
    assert_eq!(tables.frozen_window("w1").await.unwrap().unwrap(), kept[..2]);
    assert_eq!(tables.frozen_window("w2").await.unwrap().unwrap(), kept[2..]);
    assert_eq!(tables.frozen_window("w3").await.unwrap(), Some(Vec::new()));
    assert_eq!(tables.frozen_window("w9").await.unwrap(), None);
    tables.forget_frozen(vec!["w1".to_owned(), "w9".to_owned()]).await.unwrap();
    assert_eq!(tables.frozen_windows().await.unwrap(), ["w2", "w3"]);
    assert_eq!(tables.frozen_window("w1").await.unwrap(), None);
}
