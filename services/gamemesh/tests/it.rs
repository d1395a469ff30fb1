//! The binary as its users meet it: one test binary, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod it {
    mod architecture;
    mod bounds;
    mod cli;
    mod client;
    mod combat;
    mod contracts;
    mod crash;
    mod defects;
    mod doctor;
    mod encrypted;
    mod faults;
    mod foreign;
    mod lanes;
    mod ledger;
    mod outbox;
    mod overload;
    mod process;
    mod redis;
    mod replicas;
    mod rolling;
    mod secrets;
    mod several;
    mod stats;
    mod tally;
    mod tasks;
    mod transfer;
    mod upgrade;
    mod watch;
}
