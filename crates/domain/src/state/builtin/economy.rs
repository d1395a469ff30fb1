//! `economy`: accounts.

use super::{choice, declare, map, text, whole};
use crate::Result;
use crate::document::{Declaration, Merge};

/// Amounts are whole numbers of the smallest unit, and no account falls below nothing. That
/// transactions only move money is a rule of each game: a studio that wants it registers a type of its
/// own with a conserved sum.
pub(super) fn economy() -> Result<Declaration> {
    let fields = vec![
        text("owner", 256, "Whose account it is."),
        choice("status", &["open", "frozen", "closed"], Merge::HomeOnly, "Whether it is in use."),
        map("balances", Some(whole(0, None)), Merge::BoundedCounter, "Amount of each currency."),
        map("prices", Some(whole(0, None)), Merge::Map, "Price of each good, for a market."),
        map("stock", Some(whole(0, None)), Merge::BoundedCounter, "Number of each good in stock."),
    ];
    declare("economy", "An account or a market.", true, fields, Vec::new())
}
