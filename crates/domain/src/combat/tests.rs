//! The laws of combat, and the cases that went wrong for others.

mod actions;
mod aiming;
mod clocks;
mod contents;
mod damage;
mod fixture;
mod golden;
mod laws;
mod lifecycle;
mod movement;
mod oracle;
mod people;
mod space;
mod verifying;
mod wires;
