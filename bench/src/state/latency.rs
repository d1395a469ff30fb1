//! Latency at half of the load that the server can take, by open loops.

use super::durable::{UPDATE, player, updaters};
use super::hot_read::{GET_PLAYER, grpc_readers, request, with_player};
use super::sample;
use crate::exit::Outcome;
use crate::load::{LoadArgs, closed};
use crate::report::{Bar, Pair, Row, median};
use crate::server::Server;
use crate::unary::Calls;

/// The original targets, in milliseconds.
const READ_P99_MS: f64 = 25.0;
const WRITE_P99_MS: f64 = 50.0;

/// Reads, then writes. Gives the server back.
pub(crate) async fn half_load(args: &LoadArgs, server: Server) -> Outcome<(Vec<Row>, Server)> {
    let server = with_player(server).await?;
    let bar = Bar::AtMost { ceiling: 1.0, aim: 0.1 };

    let mut reads = Vec::new();
    let mut read_rates = Vec::new();
    let calls = Calls { path: GET_PLAYER, request: |_| request() };
    for _ in 0..args.pairs {
        let rate =
            closed(grpc_readers(&server, args, &request()).await?, args.duration).await? / 2.0;
        let took = calls.at_rate(&server, args, rate).await?;
        let ours = took.value_at_quantile(0.99) as f64 / 1000.0;
        reads.push(Pair { ours, baseline: READ_P99_MS });
        read_rates.push(rate);
    }

    let mut writes = Vec::new();
    let mut write_rates = Vec::new();
    let calls = Calls { path: UPDATE, request: |n| sample::update(player(n)) };
    for _ in 0..args.pairs {
        let rate = closed(updaters(&server, args, player).await?, args.duration).await? / 2.0;
        let took = calls.at_rate(&server, args, rate).await?;
        let ours = took.value_at_quantile(0.99) as f64 / 1000.0;
        writes.push(Pair { ours, baseline: WRITE_P99_MS });
        write_rates.push(rate);
    }
    let rows = vec![
        Row::new("P99 of hot reads at half load", "the target", "ms", bar, reads)
            .note(format!("open loop of {:.0} reads/s", median(&read_rates))),
        Row::new("P99 of durable writes at half load", "the target", "ms", bar, writes)
            .note(format!("open loop of {:.0} updates/s, one a call", median(&write_rates))),
    ];
    Ok((rows, server))
}
