//! Requests over REST: reads of sessions, states and lists, and positions.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;
use gamemesh_contracts::combat::v1 as pb;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use super::CombatBenchArgs;
use super::arena::{Arena, SEATS};
use super::parts::Told;
use crate::exit::{Outcome, Problem};
use crate::report::{Bar, Pair, Row};

/// The original target.
const P99_MS: f64 = 50.0;
/// Connections that the requests are spread over; each has one under way.
const CONNECTIONS: u64 = 32;
const SESSIONS: usize = 16;

pub(super) async fn requests(args: &CombatBenchArgs, dir: &Path) -> Outcome<Row> {
    let arena = Arena::open(dir).await?;
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let session = arena.session(SEATS, 30).await?;
        for seat in 0..SEATS {
            arena.seat(&session, &player(number, seat)).await?;
        }
        // Play has begun; the first player stands here.
        let places = arena.places(&session).await?;
        let place = *places.first().ok_or_else(|| Problem::failed("nobody is on the map"))?;
        sessions.push((session, place));
    }
    let sessions = Arc::new(sessions);
    let mut pairs = Vec::new();
    for _ in 0..args.pairs {
        let workers = (0..CONNECTIONS).map(|first| {
            let schedule = Schedule {
                begins: Instant::now(),
                every: Duration::from_secs_f64(1.0 / f64::from(args.requests)),
                first,
                total: (args.duration.as_secs_f64() * f64::from(args.requests)) as u64,
            };
            tokio::spawn(work(arena.address().to_owned(), sessions.clone(), schedule))
        });
        let mut told = Told::default();
        for latencies in try_join_all(workers).await.map_err(Problem::failed)? {
            told.latencies_us.extend(latencies?);
        }
        pairs.push(Pair { ours: told.p99_ms(), baseline: P99_MS });
    }
    let bar = Bar::AtMost { ceiling: 1.0, aim: 0.2 };
    Ok(Row::new("P99 of requests", "the target", "ms", bar, pairs).note(format!(
        "open loop of {}/s over REST: of ten, 5 read a session, 2 its state, 1 lists sessions, 2 say where a player is; {SESSIONS} sessions of {SEATS} are played",
        args.requests
    )))
}

fn player(session: usize, seat: u32) -> String {
    format!("player-{session}-{seat}")
}

/// Every so many-th request of all.
struct Schedule {
    begins: Instant,
    every: Duration,
    first: u64,
    total: u64,
}

/// Makes its requests when they are due, or as soon as the one before is answered; both wait in the
/// latency, in microseconds.
async fn work(
    address: String,
    sessions: Arc<Vec<(String, pb::Vector)>>,
    schedule: Schedule,
) -> Outcome<Vec<u64>> {
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(Problem::failed)?;
    tokio::spawn(connection);
    let mut latencies = Vec::new();
    for n in (schedule.first..schedule.total).step_by(CONNECTIONS as usize) {
        let due = schedule.begins + schedule.every.mul_f64(n as f64);
        tokio::time::sleep_until(due.into()).await;
        let number = (n / 10) as usize % sessions.len();
        let (session, place) = &sessions[number];
        send(&mut sender, request(n, number, session, place, &address)?).await?;
        latencies.push(due.elapsed().as_micros() as u64);
    }
    Ok(latencies)
}

fn request(
    n: u64,
    number: usize,
    session: &str,
    place: &pb::Vector,
    address: &str,
) -> Outcome<Request<Full<Bytes>>> {
    let path = format!("/api/v1/combat/sessions/{session}");
    let get = |path: String| Request::get(path).body(Full::default());
    let request = match n % 10 {
        0..=4 => get(path),
        5 | 6 => get(format!("{path}/state")),
        7 => get("/api/v1/combat/sessions?pageSize=20".to_owned()),
        _ => {
            let body = json!({
                "playerId": player(number, 0),
                "correctionId": 1,
                "move": { "position": { "x": place.x, "y": place.y, "z": place.z } },
            });
            let body = Full::from(body.to_string());
            Request::post(format!("{path}/position"))
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(body)
        }
    };
    let mut request = request.map_err(Problem::failed)?;
    let host = http::HeaderValue::try_from(address).map_err(Problem::failed)?;
    request.headers_mut().insert(http::header::HOST, host);
    Ok(request)
}

async fn send(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Outcome {
    let what = format!("{} {}", request.method(), request.uri());
    sender.ready().await.map_err(Problem::failed)?;
    let answer = sender.send_request(request).await.map_err(Problem::failed)?;
    let status = answer.status();
    answer.into_body().collect().await.map_err(Problem::failed)?;
    if status.is_success() { Ok(()) } else { Err(Problem::failed(format!("{what}: {status}"))) }
}
