//! Windows of time are closed some time after their end, and kept as they were closed: in the tables, of
//! which the memory has those that were asked for last.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_domain::stats::{Figures, Name, Reader, Season, Totals, Window, Writer};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::LaneOwnership;
use gamemesh_repository::{FrozenRow, Lane, LogError};
use parking_lot::{Mutex, RwLockReadGuard};
use tokio_util::sync::CancellationToken;

use super::Engine;

/// How often is looked whether a window can be closed.
const INTERVAL: Duration = Duration::from_secs(10);

/// Players of all the closed windows in memory, beside the one that was asked for last.
const FROZEN_PLAYERS_MAX: usize = 100_000;

/// Closed windows that were asked for, the last one at the end.
#[derive(Debug, Default)]
pub(crate) struct FrozenWindows {
    at_hand: Mutex<Vec<(Window, Arc<Totals>)>>,
    /// One is read from the tables at a time.
    reading: tokio::sync::Mutex<()>,
}

/// The totals that know a window.
pub(crate) enum Counted<'a> {
    Open(RwLockReadGuard<'a, Totals>),
    Frozen(Arc<Totals>),
}

impl Deref for Counted<'_> {
    type Target = Totals;

    fn deref(&self) -> &Totals {
        match self {
            Self::Open(totals) => totals,
            Self::Frozen(totals) => totals,
        }
    }
}

impl FrozenWindows {
    fn get(&self, window: Window) -> Option<Arc<Totals>> {
        let mut at_hand = self.at_hand.lock();
        let at = at_hand.iter().position(|(known, _)| *known == window)?;
        let known = at_hand.remove(at);
        let totals = known.1.clone();
        at_hand.push(known);
        Some(totals)
    }

    fn put(&self, window: Window, totals: Arc<Totals>) {
        let mut at_hand = self.at_hand.lock();
        let mut players = totals.players();
        // The newest stay, from the end, as long as there is room.
        let kept = at_hand.iter().rev().take_while(|(_, totals)| {
            players += totals.players();
            players <= FROZEN_PLAYERS_MAX
        });
        let kept = kept.count();
        let over = at_hand.len() - kept;
        at_hand.drain(..over);
        at_hand.push((window, totals));
    }

    /// How many players they have together.
    #[cfg(test)]
    fn players(&self) -> usize {
        self.at_hand.lock().iter().map(|(_, totals)| totals.players()).sum()
    }
}

pub(super) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = engine.close_windows().await {
            tracing::warn!(%error, "windows could not be closed");
        }
    }
}

impl Engine {
    /// What is counted in a window, with everything that was counted before this was asked.
    pub(crate) async fn totals_in(&self, window: Window) -> Result<Counted<'_>> {
        if !self.standings.totals.read().is_frozen(window) {
            self.settle().await;
            let totals = self.standings.totals.read();
            if !totals.is_frozen(window) {
                return Ok(Counted::Open(totals));
            }
        }
        self.frozen_totals(window).await.map(Counted::Frozen)
    }

    async fn frozen_totals(&self, window: Window) -> Result<Arc<Totals>> {
        if let Some(totals) = self.frozen.get(window) {
            return Ok(totals);
        }
        let _reading = self.frozen.reading.lock().await;
        if let Some(totals) = self.frozen.get(window) {
            return Ok(totals);
        }
        let name = window.name();
        let rows = self.tables.frozen_window(&name).await?.ok_or_else(|| {
            Error::new(Code::NotFound, "the window is too old").with_fact("window", &name)
        })?;
        let season = self.config.season;
        let totals = tokio::task::spawn_blocking(move || {
            let figures = rows.iter().map(figures_of).collect::<Option<_>>()?;
            Some(Arc::new(Totals::of_frozen(season, window, figures)))
        });
        let totals = totals.await.map_err(Error::internal)?;
        let damaged = || LogError::Corrupted(format!("figures of the closed window {name}"));
        let totals = totals.ok_or_else(damaged)?;
        self.frozen.put(window, totals.clone());
        Ok(totals)
    }

    /// Closes windows whose time is over. What is kept first is what holds. One instance keeps it: the
    /// owner of the first lane, who is not behind; the others let go of a window once it is kept.
    pub(crate) async fn close_windows(&self) -> Result<()> {
        let now_us = self.clock.now_micros();
        let before_us = now_us - self.config.window_grace.as_micros() as i64;
        let closable = self.standings.totals.read().closable(before_us);
        if !closable.is_empty() {
            let kept = self.tables.frozen_windows().await?;
            for window in closable {
                let name = window.name();
                if kept.contains(&name) || self.keep_window(window, &name).await? {
                    self.standings.totals.write().freeze(window);
                }
            }
        }
        self.standings.totals.write().forget_old(now_us);
        Ok(())
    }

    /// Whether the window is kept now.
    async fn keep_window(&self, window: Window, name: &str) -> Result<bool> {
        let licence = match self.owners.as_ref().map(|owners| owners.of(Lane(0))) {
            None => None,
            Some(LaneOwnership::Here(licence)) => Some(licence),
            Some(LaneOwnership::There(_) | LaneOwnership::Nobody) => return Ok(false),
        };
        if self.lag_blocks() > 0 {
            return Ok(false);
        }
        self.settle_fully().await;
        let figures = self.standings.totals.read().in_window(window);
        let row = |(player, figures): (Name, Figures)| {
            let mut out = Writer::default();
            figures.put(&mut out, 0);
            FrozenRow {
                window: name.to_owned(),
                player_id: player.to_string(),
                figures: out.0.into(),
            }
        };
        let rows = figures.into_iter().map(row).collect();
        // An instance that slept has lost its licence, and what it has counted is old.
        if licence.as_ref().is_some_and(|licence| licence.fence().is_none()) {
            return Ok(false);
        }
        self.tables.freeze(name, rows).await?;
        Ok(true)
    }

    /// Learns which windows are closed. Those that are too old to be asked for are forgotten.
    pub(super) async fn restore_windows(&self) -> Result<()> {
        let (season, now_us) = (self.config.season, self.clock.now_micros());
        let mut old = Vec::new();
        for name in self.tables.frozen_windows().await? {
            match parse(&name, season).filter(|window| Totals::keeps(season, *window, now_us)) {
                Some(window) => self.standings.totals.write().freeze(window),
                None => old.push(name),
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

#[cfg(test)]
mod tests {
    use gamemesh_domain::stats::WindowKind;

    use super::*;

    #[test]
    fn the_memory_of_closed_windows_is_bounded() {
        let frozen = FrozenWindows::default();
        let day = |number| Window { kind: WindowKind::Day, number };
        let totals = |window, players: usize| {
            let name = |n| Name::parse("playerId", &format!("p{n}")).unwrap();
            let figures = (0..players).map(|n| (name(n), Figures::default())).collect();
            Arc::new(Totals::of_frozen(Season::default(), window, figures))
        };
        for number in 0..20 {
            frozen.put(day(number), totals(day(number), FROZEN_PLAYERS_MAX / 8));
            assert!(frozen.players() <= FROZEN_PLAYERS_MAX);
        }
        assert!(frozen.get(day(0)).is_none());
        assert!(frozen.get(day(12)).is_some(), "eight fit");
        // Who was asked for last stays.
        frozen.put(day(20), totals(day(20), FROZEN_PLAYERS_MAX / 8));
        assert!(frozen.get(day(12)).is_some() && frozen.get(day(13)).is_none());
        // One that is larger than all of it is at hand alone.
        frozen.put(day(21), totals(day(21), FROZEN_PLAYERS_MAX + 1));
        assert!(frozen.get(day(21)).is_some() && frozen.get(day(12)).is_none());
    }
}
