//! The laws of combat, and the cases that went wrong for others.

mod clocks;
mod fixture;
mod lifecycle;
