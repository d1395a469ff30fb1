#![doc = include_str!("../README.md")]

pub mod cli;
pub mod http;
pub mod keeper;
pub mod postgres;
mod process;
mod world;

pub use process::binary;
pub use world::{Builder, World};
