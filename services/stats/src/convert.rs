//! Between the wire and the domain.

pub(crate) mod boards;
pub(crate) mod document;
pub(crate) mod event;
pub(crate) mod json;
pub(crate) mod results;
pub(crate) mod stats;
pub(crate) mod time;
