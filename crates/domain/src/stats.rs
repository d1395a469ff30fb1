//! Rules of the stats service: events of matches, what they count, and who is ahead.
//!
//! A [`Match`] takes [`Event`]s in any order and any number of times. What it answers is a fold over
//! the different events in the order of their own time, so that every order of arrival and every
//! repetition gives the same figures to the last byte.

mod board;
mod calendar;
mod codec;
mod event;
mod explain;
mod fact;
mod figures;
mod fold;
mod ids;
mod keep;
mod matches;
mod metric;
mod producer;
mod rating;
mod rest;
mod score;
mod totals;
mod view;

pub use board::{Board, Place, Standing};
pub use calendar::{Season, Window, WindowKind};
pub use codec::{Reader, Truncated, Writer};
pub use event::{Data, Event, Kind, Placement, bounds};
pub use explain::Cause;
pub use figures::{Figure, Figures, Merge};
pub use fold::{Bucket, MULTI_KILL_GAP_US, Round, Rules, TRADE_WINDOW_US, WeaponFigures};
pub use ids::{EventId, Name};
pub use matches::{Applied, EVENTS_MAX, Match, NAMES_MAX, PLAYERS_MAX};
pub use metric::{METRICS, Metric, metric};
pub use producer::{Producer, RANGES_MAX};
pub use rating::{Outcome, Ratings, Side, Skill};
pub use rest::Resting;
pub use score::Score;
pub use totals::{Contribution, Totals};
pub use view::{MatchView, Phase, PlayerView, Status};

#[cfg(test)]
mod tests;
