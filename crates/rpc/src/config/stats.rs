//! What the stats service is told.

use std::time::Duration;

use super::reader::Reader;
use super::value;

/// Days are counted from 1970-01-01.
#[derive(Debug, Clone)]
pub struct StatsSettings {
    pub events_topic: String,
    pub combat_topic: String,
    pub group: String,
    /// Events between producers and the log.
    pub ingest_bytes_max: usize,
    pub season_first_day: i64,
    pub season_days: i64,
    /// From the end of a window until it is closed.
    pub window_grace: Duration,
    pub multi_kill_gap: Duration,
    pub trade_window: Duration,
}

const GRACE_MAX: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn stats(r: &mut Reader<'_>) -> StatsSettings {
    let settings = StatsSettings {
        events_topic: r.read("stats-events-topic", value::topic),
        combat_topic: r.read("stats-combat-topic", value::topic),
        group: r.read("stats-group", value::topic),
        ingest_bytes_max: r.read("stats-ingest-bytes", ingest_bytes),
        season_first_day: r.read("stats-season-start", day),
        season_days: r
            .read("stats-season-days", |t| i64::try_from(value::count::<1, 3_660>(t)?).ok()),
        window_grace: r.read("stats-window-grace", |text| {
            value::duration_or_none(text).filter(|grace| *grace <= GRACE_MAX)
        }),
        multi_kill_gap: r.read("stats-multi-kill-gap", gap),
        trade_window: r.read("stats-trade-window", gap),
    };
    if settings.events_topic == settings.combat_topic {
        r.refuse("stats-combat-topic", "another topic than stats-events-topic");
    }
    settings
}

fn ingest_bytes(text: &str) -> Option<usize> {
    let bytes = value::bytes(text).filter(|bytes| (1 << 20..=16 << 30).contains(bytes))?;
    usize::try_from(bytes).ok()
}

fn gap(text: &str) -> Option<Duration> {
    let bounds = Duration::from_millis(1)..=Duration::from_secs(600);
    value::duration(text).filter(|gap| bounds.contains(gap))
}

/// A day of the calendar, such as 2026-01-01.
fn day(text: &str) -> Option<i64> {
    let text = text.trim();
    let instant = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok()?;
    let seconds = instant.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    let is_shown_so = humantime::format_rfc3339_seconds(instant).to_string().starts_with(text);
    // From 2000 on, as the times of events.
    let days = i64::try_from(seconds / 86_400).ok().filter(|days| *days >= 10_957)?;
    (is_shown_so && text.len() == 10).then_some(days)
}
