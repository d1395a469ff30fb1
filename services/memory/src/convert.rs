//! Between the contract, the rules and the rows.

pub(crate) mod collection;
pub(crate) mod content;
pub(crate) mod json;
pub(crate) mod memory;
pub(crate) mod profile;
pub(crate) mod refusal;
pub(crate) mod row;
pub(crate) mod time;
pub(crate) mod value;
pub(crate) mod world;
