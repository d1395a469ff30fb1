//! Reads of matches that go on: alone, and while events come in.

use std::path::Path;

use gamemesh_contracts::stats::v1::{GetMatchLeaderboardRequest, GetMatchPlayerRequest};
use hdrhistogram::Histogram;

use super::ingest::{self, SENDERS, channel_senders};
use super::sample::{Feed, match_id, player_id};
use super::{StatsBenchArgs, product};
use crate::exit::{Outcome, Problem};
use crate::load::{Operation, closed};
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, failed};
use crate::unary::{self, Calls};

/// The original promise, reads a second.
const TARGET: f64 = 10_000.0;

const GET_MATCH_PLAYER: &str = "/gamemesh.stats.v1.MatchStatsService/GetMatchPlayer";
const GET_MATCH_LEADERBOARD: &str = "/gamemesh.stats.v1.MatchStatsService/GetMatchLeaderboard";

/// Events of a match before it is read.
const EVENTS_A_MATCH: u64 = 100;

/// How many a second, and how long they take at the rate that is promised.
pub(super) async fn alone(args: &StatsBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    let server = product(dir).await?;
    fill(&server, ingest::feeds(args, 0)).await?;
    let (mut rates, mut latencies) = (Vec::new(), Latencies::default());
    for _ in 0..args.load.pairs {
        let ours = closed(readers(&server, args).await?, args.load.duration).await?;
        rates.push(Pair { ours, baseline: TARGET });
        latencies.add(&at_rate(&server, args).await?);
    }
    let bar = Bar::AtLeast { floor: 1.0, aim: 3.0 };
    let mut rows =
        vec![Row::new("reads of matches and players", "the target", "/s", bar, rates).note(
            format!(
                "half players of {} matches, half leaderboards of ten, over gRPC",
                args.matches
            ),
        )];
    rows.extend(latencies.rows([
        "P99 of 10,000 reads/s",
        "P95 of 10,000 reads/s",
        "mean of 10,000 reads/s",
    ]));
    Ok(rows)
}

/// Both at the rates that are promised.
pub(super) async fn beside_events(args: &StatsBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    let (mut rates, mut latencies) = (Vec::new(), Latencies::default());
    for run in 0..args.load.pairs {
        let server = product(dir).await?;
        // The matches go on from where they were filled up to.
        let feeds = fill(&server, ingest::feeds(args, run)).await?;
        let senders = channel_senders(&server, feeds, Some(args.events_rate.into())).await?;
        let (ours, took) =
            tokio::join!(closed(senders, args.load.duration), at_rate(&server, args));
        rates.push(Pair { ours: ours?, baseline: args.events_rate.into() });
        latencies.add(&took?);
    }
    // What is sent at 100,000 a second is acknowledged at no more.
    let bar = Bar::AtLeast { floor: 0.97, aim: 0.99 };
    let mut rows = vec![
        Row::new("durable events beside 10,000 reads/s", "the target", "/s", bar, rates).note(
            format!(
                "{SENDERS} channels that send {} events/s, if they are acknowledged; {} reads/s",
                args.events_rate, args.reads_rate
            ),
        ),
    ];
    rows.extend(latencies.rows([
        "P99 of 10,000 reads/s beside 100,000 events/s",
        "P95 of 10,000 reads/s beside 100,000 events/s",
        "mean of 10,000 reads/s beside 100,000 events/s",
    ]));
    Ok(rows)
}

/// Every match has something to read.
async fn fill(server: &Server, mut feeds: Vec<Feed>) -> Outcome<Vec<Feed>> {
    let mut stub = server.stats_stubs(1).await?.remove(0);
    for feed in &mut feeds {
        for _ in 0..feed.events_for(EVENTS_A_MATCH).div_ceil(ingest::BATCH) {
            let answer = stub.ingest_batch(feed.next(ingest::BATCH)).await.map_err(failed)?;
            ingest::all_counted(answer.into_inner().tally)?;
        }
    }
    Ok(feeds)
}

fn player(args: &StatsBenchArgs) -> impl Fn(u64) -> GetMatchPlayerRequest + Clone + Send + 'static {
    let matches = u64::from(args.matches);
    move |n| {
        let of_match = n % matches;
        GetMatchPlayerRequest {
            match_id: match_id(of_match),
            player_id: player_id(of_match, n / matches),
            ..Default::default()
        }
    }
}

fn leaderboard(
    args: &StatsBenchArgs,
) -> impl Fn(u64) -> GetMatchLeaderboardRequest + Clone + Send + 'static {
    let matches = u64::from(args.matches);
    move |n| GetMatchLeaderboardRequest {
        match_id: match_id(n % matches),
        metric: "kills".into(),
        ..Default::default()
    }
}

async fn readers(server: &Server, args: &StatsBenchArgs) -> Outcome<Vec<Operation>> {
    let mut half = args.load.clone();
    half.clients = (half.clients / 2).max(1);
    half.connections = (half.connections / 2).max(1);
    let clients = unary::in_turn(&half, player(args));
    let mut readers = unary::callers(server, &half, GET_MATCH_PLAYER, clients).await?;
    let clients = unary::in_turn(&half, leaderboard(args));
    readers.extend(unary::callers(server, &half, GET_MATCH_LEADERBOARD, clients).await?);
    Ok(readers)
}

/// Latencies in microseconds at the rate that is promised.
async fn at_rate(server: &Server, args: &StatsBenchArgs) -> Outcome<Histogram<u64>> {
    let players = Calls { path: GET_MATCH_PLAYER, request: player(args) };
    let boards = Calls { path: GET_MATCH_LEADERBOARD, request: leaderboard(args) };
    let rate = f64::from(args.reads_rate) / 2.0;
    let (players, boards) = tokio::join!(
        players.at_rate(server, &args.load, rate),
        boards.at_rate(server, &args.load, rate)
    );
    let mut all = players?;
    all.add(boards?).map_err(Problem::failed)?;
    Ok(all)
}

/// P99, P95 and mean of each round, in milliseconds.
#[derive(Default)]
struct Latencies([Vec<Pair>; 3]);

impl Latencies {
    /// The original targets.
    const TARGETS_MS: [f64; 3] = [50.0, 20.0, 10.0];

    fn add(&mut self, took: &Histogram<u64>) {
        let p = |quantile| took.value_at_quantile(quantile) as f64;
        let values = [p(0.99), p(0.95), took.mean()];
        for ((pairs, us), target) in self.0.iter_mut().zip(values).zip(Self::TARGETS_MS) {
            pairs.push(Pair { ours: us / 1e3, baseline: target });
        }
    }

    fn rows(self, measures: [&'static str; 3]) -> impl Iterator<Item = Row> {
        let bar = Bar::AtMost { ceiling: 1.0, aim: 0.2 };
        measures
            .into_iter()
            .zip(self.0)
            .map(move |(measure, pairs)| Row::new(measure, "the target", "ms", bar, pairs))
    }
}
