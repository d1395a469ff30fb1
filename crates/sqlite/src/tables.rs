//! The tables of services, beside their logs.

pub(crate) mod memory;
