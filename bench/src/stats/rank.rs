//! Where a player stands on a large board: a whole call, against Redis's command.

use std::path::Path;
use std::time::{Duration, Instant};

use gamemesh_contracts::stats::v1::{GetLeaderboardRequest, GetRankRequest};

use super::memory::send;
use super::redis::Redis;
use super::{StatsBenchArgs, product, sample};
use crate::exit::{Outcome, Problem};
use crate::load::closed;
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, failed};
use crate::unary;

const GET_RANK: &str = "/gamemesh.stats.v1.MatchStatsService/GetRank";
/// The same in Redis.
const BOARD: &str = "board";
/// Players of one match.
const A_MATCH: u64 = 1_000;
/// How long boards may take to follow.
const FOLLOW_MAX: Duration = Duration::from_secs(300);
/// Ranks a second, where there is no Redis to compare with: the reads that were promised.
const TARGET: f64 = 10_000.0;

pub(super) async fn ranks(args: &StatsBenchArgs, dir: &Path) -> Outcome<Row> {
    let members = u64::from(args.members);
    let server = product(dir).await?;
    let began = Instant::now();
    let kills = (0..members).map(|n| sample::kill(n / A_MATCH, player(n), n % A_MATCH));
    send(&server, kills).await?;
    follow(&server, members).await?;
    let filled = began.elapsed();
    let redis = match &args.redis_url {
        Some(url) => Some(Redis::open(url).await?),
        None => None,
    };
    if let Some(redis) = &redis {
        redis.fill_board(BOARD, members).await?;
    }
    let load = &args.load;
    let any = move |n: u64| player(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % members);
    let request = move |n: u64| GetRankRequest {
        metric: "kills".into(),
        player_id: any(n),
        ..Default::default()
    };
    let mut pairs = Vec::new();
    for _ in 0..load.pairs {
        let baseline = match &redis {
            Some(redis) => closed(redis.rankers(load, BOARD, any).await?, load.duration).await?,
            None => TARGET,
        };
        let clients = unary::in_turn(load, request);
        let callers = unary::callers(&server, load, GET_RANK, clients).await?;
        pairs.push(Pair { ours: closed(callers, load.duration).await?, baseline });
    }
    let (against, bar) = match redis {
        Some(redis) => {
            redis.close().await?;
            ("ZREVRANK of Redis", Bar::AtLeast { floor: 0.3, aim: 0.6 })
        }
        None => ("the target for reads", Bar::AtLeast { floor: 1.0, aim: 3.0 }),
    };
    Ok(Row::new("ranks on a large board", against, "/s", bar, pairs).note(format!(
        "{members} players, filled in {:.0} s; ordinal, competition and dense rank and the share of \
         those ahead in whole gRPC calls; ZREVRANK by as many clients on as many connections",
        filled.as_secs_f64()
    )))
}

fn player(n: u64) -> String {
    format!("player-{n}")
}

/// Waits until everybody is on the board.
async fn follow(server: &Server, members: u64) -> Outcome {
    let mut stub = server.stats_stubs(1).await?.remove(0);
    let began = Instant::now();
    loop {
        let asked = GetLeaderboardRequest { metric: "kills".into(), ..Default::default() };
        let board = stub.get_leaderboard(asked).await.map_err(failed)?.into_inner();
        if board.total as u64 == members {
            return Ok(());
        }
        if began.elapsed() > FOLLOW_MAX {
            let what = format!("{} of {members} players are on the board", board.total);
            return Err(Problem::failed(what));
        }
    }
}
