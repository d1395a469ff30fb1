#![doc = include_str!("../README.md")]

pub mod cli;
pub mod http;
mod process;
mod world;

pub use process::binary;
pub use world::{Builder, World};
