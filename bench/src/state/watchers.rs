//! Memory of the server for each watching session.

use std::path::Path;
use std::time::Duration;

use gamemesh_client::v1;
use gamemesh_client::v1::watch_aggregates_response::Message;
use tonic::Streaming;

use super::StateBenchArgs;
use crate::exit::{Outcome, Problem};
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, Stub, failed};

/// The original target, in kilobytes of 1,000 bytes.
const SESSION_KB: f64 = 50.0;
/// Sessions that a game server holds over one connection.
const SESSIONS_A_CONNECTION: usize = 100;
/// Servers are measured this often: a fresh process each time.
const ROUNDS_MAX: u32 = 3;
/// For the server to return what it needed only while sessions began.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) async fn memory(args: &StateBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    let bar = Bar::AtMost { ceiling: 0.5, aim: 0.24 };
    let row = |measure, pairs| {
        Row::new(measure, "the target", "KB", bar, pairs)
            .note(format!("{} sessions, each on its own player", args.watchers))
    };
    let mut shared = Vec::new();
    let mut own = Vec::new();
    for _ in 0..args.load.pairs.min(ROUNDS_MAX) {
        shared.push(session_kb(args, dir, SESSIONS_A_CONNECTION).await?);
        own.push(session_kb(args, dir, 1).await?);
    }
    Ok(vec![
        row("memory per watching session, 100 a connection", shared),
        row("memory per watching session, own connection", own),
    ])
}

async fn session_kb(args: &StateBenchArgs, dir: &Path, a_connection: usize) -> Outcome<Pair> {
    let server = Server::product(dir).await?;
    // The first session brings up what all share.
    let mut first = server.stubs(1).await?;
    let _kept = begin(&mut first[0], u32::MAX).await?;
    tokio::time::sleep(SETTLE).await;

    let before = server.resident_bytes()?;
    let mut sessions = Vec::with_capacity(args.watchers as usize);
    let mut connections = Vec::new();
    for n in 0..args.watchers {
        if (n as usize).is_multiple_of(a_connection) {
            connections.extend(server.stubs(1).await?);
        }
        if let Some(stub) = connections.last_mut() {
            sessions.push(begin(stub, n).await?);
        }
    }
    tokio::time::sleep(SETTLE).await;
    let after = server.resident_bytes()?;
    let ours = after.saturating_sub(before) as f64 / f64::from(args.watchers) / 1000.0;
    Ok(Pair { ours, baseline: SESSION_KB })
}

/// Opens a session and reads up to the point where changes follow.
async fn begin(stub: &mut Stub, n: u32) -> Outcome<Streaming<v1::WatchAggregatesResponse>> {
    let request = v1::WatchAggregatesRequest {
        r#type: "player".into(),
        id: format!("watched-{n}"),
        ..Default::default()
    };
    let mut stream = stub.watch_aggregates(request).await.map_err(failed)?.into_inner();
    while let Some(message) = stream.message().await.map_err(failed)? {
        if matches!(message.message, Some(Message::Begun(_))) {
            return Ok(stream);
        }
    }
    Err(Problem::failed("a watch ended before it began"))
}
