#![doc = include_str!("../README.md")]

pub mod authority;
pub mod cli;
pub mod defect;
pub mod http;
pub mod keeper;
pub mod postgres;
mod process;
pub mod proxy;
pub mod redis;
mod services;
mod world;

pub use process::binary;
pub use world::{Builder, World};
