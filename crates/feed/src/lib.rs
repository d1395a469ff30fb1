#![doc = include_str!("../README.md")]

mod cut;
mod feed;
mod hub;
mod metrics;
mod staleness;
mod tails;
mod token;
mod watermarks;

pub use cut::Cut;
pub use feed::{Enrich, Entry, Feed, OfferGuard, Read, Releaser, Unchanged};
pub use hub::{Hub, Mailbox, Scope, Subscription};
pub use metrics::FeedMetrics;
pub use staleness::Staleness;
pub use token::{Claim, Kind, TOKEN_BYTES_MAX, Tokens, parameters};
