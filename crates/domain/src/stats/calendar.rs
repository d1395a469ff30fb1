//! Windows of time that leaderboards are kept for, all of them in UTC.

use crate::document::{civil_date, civil_day};

const DAY_US: i64 = 86_400_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowKind {
    AllTime,
    Season,
    Week,
    Day,
}

impl WindowKind {
    pub const ALL: [Self; 4] = [Self::AllTime, Self::Season, Self::Week, Self::Day];
}

/// One window. Days count from 1970-01-01, weeks begin on Mondays (ISO 8601), seasons count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    pub kind: WindowKind,
    pub number: i64,
}

/// How time is cut into seasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Season {
    /// Season 1 begins on this day, counted from 1970-01-01.
    pub first_day: i64,
    pub days: i64,
}

impl Default for Season {
    /// 90 days each, the first from 2026-01-01.
    fn default() -> Self {
        Self { first_day: 20_454, days: 90 }
    }
}

impl Window {
    /// The window of a kind that holds an instant.
    pub fn of(kind: WindowKind, time_us: i64, season: Season) -> Self {
        let day = time_us.div_euclid(DAY_US);
        let number = match kind {
            WindowKind::AllTime => 0,
            WindowKind::Season => (day - season.first_day).div_euclid(season.days) + 1,
            // 1970-01-01 was a Thursday.
            WindowKind::Week => (day + 3).div_euclid(7),
            WindowKind::Day => day,
        };
        Self { kind, number }
    }

    /// All windows that hold an instant.
    pub fn all(time_us: i64, season: Season) -> [Self; 4] {
        WindowKind::ALL.map(|kind| Self::of(kind, time_us, season))
    }

    /// First instant, and the first that is not in it any more.
    pub fn span_us(self, season: Season) -> (i64, i64) {
        let days = |first: i64, days: i64| (first * DAY_US, (first + days) * DAY_US);
        match self.kind {
            WindowKind::AllTime => (i64::MIN, i64::MAX),
            WindowKind::Season => {
                days(season.first_day + (self.number - 1) * season.days, season.days)
            }
            WindowKind::Week => days(self.number * 7 - 3, 7),
            WindowKind::Day => days(self.number, 1),
        }
    }

    /// `all`, `season-3`, `2026-W01`, `2025-12-29`.
    pub fn name(self) -> String {
        match self.kind {
            WindowKind::AllTime => "all".to_owned(),
            WindowKind::Season => format!("season-{}", self.number),
            WindowKind::Week => {
                // The week belongs to the year of its Thursday.
                let thursday = self.number * 7;
                let (year, _, _) = civil_date(thursday);
                let week = (thursday - civil_day(year, 1, 1)) / 7 + 1;
                format!("{year:04}-W{week:02}")
            }
            WindowKind::Day => {
                let (year, month, day) = civil_date(self.number);
                format!("{year:04}-{month:02}-{day:02}")
            }
        }
    }

    /// The window of a name, or `season`, `week`, `day` for that of now.
    pub fn parse(text: &str, now_us: i64, season: Season) -> Option<Self> {
        let now = |kind| Some(Self::of(kind, now_us, season));
        match text {
            "" | "all" => return now(WindowKind::AllTime),
            "season" => return now(WindowKind::Season),
            "week" => return now(WindowKind::Week),
            "day" => return now(WindowKind::Day),
            _ => {}
        }
        if let Some(number) = text.strip_prefix("season-") {
            let number = number.parse().ok().filter(|n: &i64| n.unsigned_abs() < 1_000_000)?;
            return Some(Self { kind: WindowKind::Season, number });
        }
        let digits = |text: &str| {
            text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok())?
        };
        let year = digits(text.get(..4)?).filter(|year| *year >= 1970)?;
        let window = if let Some(week) = text.get(4..)?.strip_prefix("-W") {
            let fourth = civil_day(year, 1, 4);
            let number = (fourth + 3).div_euclid(7) + digits(week)? - 1;
            Self { kind: WindowKind::Week, number }
        } else {
            let (month, day) = (digits(text.get(5..7)?)?, digits(text.get(8..)?)?);
            Self { kind: WindowKind::Day, number: civil_day(year, month, day) }
        };
        // Whatever has another name is no window: month 13, week 54.
        (window.name() == text).then_some(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse_timestamp;

    fn names(text: &str) -> Vec<String> {
        let time_us = parse_timestamp(text).unwrap();
        Window::all(time_us, Season::default()).map(Window::name).to_vec()
    }

    #[test]
    fn f1_weeks_are_those_of_the_iso_year() {
        assert_eq!(names("2025-12-29T00:00:00Z")[2], "2026-W01");
        assert_eq!(names("2025-12-28T23:59:59Z")[2], "2025-W52");
        assert_eq!(names("2026-01-04T12:00:00Z")[2], "2026-W01");
        assert_eq!(names("2021-01-03T12:00:00Z")[2], "2020-W53");
    }

    #[test]
    fn f2_windows_are_cut_in_utc() {
        assert_eq!(names("2026-01-31T23:30:00+03:00")[3], "2026-01-31");
        assert_eq!(names("2026-02-01T01:30:00+03:00")[3], "2026-01-31");
        assert_eq!(names("2026-01-01T00:00:00Z")[1], "season-1");
        assert_eq!(names("2025-12-31T23:59:59Z")[1], "season-0");
        assert_eq!(names("2026-04-01T00:00:00Z")[1], "season-2");
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in [
            "month",
            "2026-13-01",
            "2026-02-30",
            "2026-W54",
            "2026-W00",
            "2026-1-1",
            "é",
            "20260",
            "season-x",
        ] {
            assert_eq!(Window::parse(text, 0, Season::default()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn names_are_read_and_spans_hold_their_time(time_us in 946_684_800_000_000_i64..4_102_444_800_000_000) {
            let season = Season::default();
            for window in Window::all(time_us, season) {
                let (from, to) = window.span_us(season);
                proptest::prop_assert!((from..to).contains(&time_us));
                proptest::prop_assert_eq!(Window::parse(&window.name(), time_us, season), Some(window));
            }
        }
    }
}
