//! The tables of services, beside their logs.

mod memory;
