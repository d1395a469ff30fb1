//! Between the wire and the domain: the only place that knows both.

pub(crate) mod aggregate;
pub(crate) mod difference;
pub(crate) mod event_json;
pub(crate) mod event_wire;
pub(crate) mod json;
pub(crate) mod matches;
pub(crate) mod operation;
pub(crate) mod player;
pub(crate) mod refusal;
pub(crate) mod schema;
pub(crate) mod time;
pub(crate) mod value;
