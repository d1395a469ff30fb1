//! What 1,000 connections cost the server's processor, beside a bare echo of as many messages.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;

use super::CombatBenchArgs;
use super::arena::Arena;
use super::crowd::{Crowd, Guests};
use super::parts::Walker;
use super::player::connect;
use crate::exit::{Outcome, Problem};
use crate::load::WARM_UP;
use crate::report::{Bar, Pair, Row};
use crate::server::Server;

/// Messages of each connection a second, in both directions.
const HZ: u32 = 10;
/// Bytes of one, those of a position with its frame.
const MESSAGE_BYTES: usize = 32;
/// The original target: percent of a core for 1,000 connections.
const CPU_PERCENT: f64 = 10.0;

pub(super) async fn beside_echo(args: &CombatBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    let (mut target, mut beside, mut frames) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..args.pairs {
        let echo = echo(args, dir).await?;
        let (ours, rate) = product(args, dir).await?;
        frames = rate;
        target.push(Pair { ours, baseline: CPU_PERCENT });
        beside.push(Pair { ours, baseline: echo });
    }
    let row = "processor per 1,000 connections at 10 Hz";
    Ok(vec![
        Row::new(row, "the target", "%", Bar::AtMost { ceiling: 1.0, aim: 0.7 }, target).note(
            format!(
                "percent of one core; {} connections in sessions of 20, {frames:.1} pictures a second each",
                args.players
            ),
        ),
        Row::new(
            "the same beside an echo",
            "bare tungstenite, as many messages",
            "%",
            Bar::AtMost { ceiling: 3.0, aim: 1.5 },
            beside,
        )
        .note(format!("the echo returns {MESSAGE_BYTES} bytes; the product judges, encodes and logs")),
    ])
}

/// Percent of a core for 1,000 players, and pictures of each a second.
async fn product(args: &CombatBenchArgs, dir: &Path) -> Outcome<(f64, f64)> {
    let arena = Arc::new(Arena::open(dir).await?);
    let guests = Guests { first: 0, players: args.players, tick_hz: HZ as i32, frames_max_hz: 0 };
    let mut crowd = Crowd::gather(&arena, guests, |n| Walker::new(f64::from(HZ), n, 0)).await?;
    let acting = crowd.act(args.duration, None);
    let (told, percent) = tokio::join!(acting, percent(arena.server(), args.duration));
    let (told, percent) = (told?, percent?);
    crowd.require_all()?;
    let players = f64::from(crowd.players());
    crowd.leave().await;
    let frames = told.frames as f64 / players / args.duration.as_secs_f64();
    Ok((percent * 1_000.0 / players, frames))
}

/// Percent of a core for 1,000 connections to the echo.
async fn echo(args: &CombatBenchArgs, dir: &Path) -> Outcome<f64> {
    let server = Server::echo(dir).await?;
    let mut sockets = Vec::new();
    for n in 0..args.players {
        sockets.push((n, connect(server.address(), "/", None, n).await?));
    }
    let period = Duration::from_secs(1) / HZ;
    let begins = Instant::now();
    let ends = begins + WARM_UP + args.duration;
    let running = sockets.into_iter().map(|(n, mut socket)| {
        tokio::spawn(async move {
            let mut due = begins + period * (n % 97) / 97;
            while due < ends {
                tokio::time::sleep_until(due.into()).await;
                due += period;
                let message = Message::Binary(vec![7; MESSAGE_BYTES].into());
                socket.send(message).await.map_err(Problem::failed)?;
                let answer = socket.next().await;
                answer
                    .ok_or_else(|| Problem::failed("the echo has closed"))?
                    .map_err(Problem::failed)?;
            }
            Ok::<(), Problem>(())
        })
    });
    let running = try_join_all(running.collect::<Vec<_>>());
    let (ended, percent) = tokio::join!(running, percent(&server, args.duration));
    for one in ended.map_err(Problem::failed)? {
        one?;
    }
    Ok(percent? * 1_000.0 / f64::from(args.players))
}

/// Percent of a core that a server takes for so long, from when it is warm.
async fn percent(server: &Server, duration: Duration) -> Outcome<f64> {
    tokio::time::sleep(WARM_UP).await;
    let (before, began) = (server.processor_time()?, Instant::now());
    tokio::time::sleep(duration).await;
    let took = server.processor_time()?.saturating_sub(before);
    Ok(took.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0)
}
