//! Windows of time are closed some time after their end, and kept as they were closed.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_domain::stats::{Figures, Name, Reader, Season, Totals, Window, Writer};
use gamemesh_repository::FrozenRow;
use tokio_util::sync::CancellationToken;

use super::Engine;

/// How often is looked whether a window can be closed.
const INTERVAL: Duration = Duration::from_secs(10);

pub(super) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            _ = tick.tick() => engine.close_windows().await,
            () = stop.cancelled() => return,
        }
    }
}

impl Engine {
    /// Closes windows whose time is over. What is kept first is what holds, whoever keeps it.
    pub(crate) async fn close_windows(&self) {
        let grace_us = self.config.window_grace.as_micros() as i64;
        let before_us = self.clock.now_micros() - grace_us;
        self.settle().await;
        let closed: Vec<(Window, Vec<(Name, Figures)>)> = {
            let mut totals = self.standings.totals.write();
            let closed = totals.close(before_us);
            closed.into_iter().map(|window| (window, totals.in_window(window))).collect()
        };
        for (window, figures) in closed {
            let name = window.name();
            let row = |(player, figures): (Name, Figures)| {
                let mut out = Writer::default();
                figures.put(&mut out, 0);
                FrozenRow {
                    window: name.clone(),
                    player_id: player.to_string(),
                    figures: out.0.into(),
                }
            };
            let rows = figures.into_iter().map(row).collect();
            if let Err(error) = self.tables.freeze(&name, rows).await {
                tracing::warn!(%error, window = name, "a closed window could not be kept");
            }
        }
    }

    /// Puts closed windows back as they were kept. Those that are too old to be asked for are forgotten.
    pub(super) async fn restore_windows(&self) -> gamemesh_domain::Result<()> {
        let (season, now_us) = (self.config.season, self.clock.now_micros());
        let rows = self.tables.frozen().await?;
        let mut old = Vec::new();
        for rows in rows.chunk_by(|a, b| a.window == b.window) {
            let window = parse(&rows[0].window, season);
            match window.filter(|window| Totals::keeps(season, *window, now_us)) {
                Some(window) => {
                    let figures = rows.iter().filter_map(figures_of).collect();
                    self.standings.totals.write().restore(window, figures);
                }
                None => old.push(rows[0].window.clone()),
            }
        }
        if !old.is_empty() {
            self.tables.forget_frozen(old).await?;
        }
        Ok(())
    }
}

fn figures_of(row: &FrozenRow) -> Option<(Name, Figures)> {
    let name = Name::parse("playerId", &row.player_id).ok()?;
    Some((name, Figures::take(&mut Reader(&row.figures), 0).ok()?))
}

fn parse(name: &str, season: Season) -> Option<Window> {
    Window::parse(name, 0, season)
}
