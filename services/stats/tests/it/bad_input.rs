//! Bad input over the wire: a typed answer, the rest counted, the shard unharmed.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_contracts::stats::v1 as pb;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tonic::Code;

use super::sample::{BEGIN_S, kill, placed};
use super::world::World;

/// A few kilobytes of gzip that are 64 MiB.
fn bomb() -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        out.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    out.finish().unwrap()
}

async fn is_unharmed(world: &World) {
    let id = uuid::Uuid::new_v4().to_string();
    assert_eq!(world.post(&[kill("unharmed", &id, 0, "a", "b")]).await, ["counted"]);
    let board = world.get("matches/unharmed/leaderboard/kills").await;
    assert!(board["entries"][0]["value"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_by_every_door() {
    let world = World::new().await;
    let bomb = Bytes::from(bomb());
    assert!(bomb.len() < 100_000);
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let answer = world.http("POST", "events", &headers, bomb.clone()).await;
    assert_eq!(answer.status, 415);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("UNSUPPORTED_MEDIA_TYPE"), "{text}");

    // One message of gRPC, compressed: what it comes to is looked at while it is unpacked.
    let mut frame = vec![1];
    frame.extend(u32::try_from(bomb.len()).unwrap().to_be_bytes());
    frame.extend(&bomb);
    let status = grpc_frame(&world, frame).await;
    let refused =
        [Code::OutOfRange, Code::ResourceExhausted, Code::InvalidArgument, Code::Internal];
    assert!(refused.contains(&status), "{status:?}");
    is_unharmed(&world).await;
}

/// Sends these bytes as the body of a call, and answers its status.
async fn grpc_frame(world: &World, frame: Vec<u8>) -> Code {
    let stream = TcpStream::connect(world.addr()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(Executor, hyper_util::rt::TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!(
        "http://{}/gamemesh.stats.v1.MatchStatsService/IngestBatch",
        world.addr()
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .header("grpc-encoding", "gzip")
    .body(http_body_util::Full::new(Bytes::from(frame)))
    .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let of = |headers: &http::HeaderMap| {
        let code = headers.get("grpc-status")?.to_str().ok()?.parse::<i32>().ok()?;
        Some(Code::from(code))
    };
    if let Some(code) = of(answer.headers()) {
        return code;
    }
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
    body.trailers().and_then(of).expect("a status")
}

#[derive(Clone)]
struct Executor;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

#[tokio::test]
async fn half_a_frame_and_a_disconnect_leave_nothing_behind() {
    let world = World::new().await;
    // Half a body.
    let mut stream = TcpStream::connect(world.addr()).await.unwrap();
    let head = format!(
        "POST /api/v1/match-stats/events HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-ndjson\r\n\
         content-length: 100000\r\n\r\n{}\n",
        world.addr(),
        kill("half", "e1", 0, "a", "b")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    // Half a message of a channel, behind a whole one.
    let mut frame = vec![0, 0, 0, 4, 0];
    frame.extend([10_u8; 10]);
    let status = grpc_frame(&world, frame).await;
    assert_ne!(status, Code::Ok);
    let began = std::time::Instant::now();
    while world.metric("match_stats_queue_bytes").await > 0.0 {
        assert!(began.elapsed().as_secs() < 10, "room was not given back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.http("GET", "matches/half", &[], "").await.status, 404);
    is_unharmed(&world).await;
}

#[tokio::test]
async fn ten_megabytes_of_event_data_are_refused_and_so_are_more_than_16_kib_of_one_event() {
    let world = World::new().await;
    let mut large = kill("m", "e1", 0, "a", "b");
    large["event_data"]["note"] = json!("x".repeat(10 << 20));
    let headers = [("content-type", "application/json")];
    let answer = world.http("POST", "events", &headers, json!([large]).to_string()).await;
    assert_eq!(answer.status, 413);
    let mut event = placed("m", 0, "a", "b");
    event.event_id = "e1".to_owned();
    event.event_data = Some(prost_types::Struct {
        fields: [(
            "note".to_owned(),
            prost_types::Value {
                kind: Some(prost_types::value::Kind::StringValue("x".repeat(10 << 20))),
            },
        )]
        .into(),
    });
    let request = pb::IngestBatchRequest { events: vec![event], ..Default::default() };
    let refused = world.client().await.ingest_batch(request).await.unwrap_err();
    assert!([Code::OutOfRange, Code::ResourceExhausted].contains(&refused.code()), "{refused}");
    let mut large = kill("m", "e1", 0, "a", "b");
    large["event_data"]["note"] = json!("x".repeat(17 << 10));
    let statuses = world.post(&[large, kill("m", "e2", 0, "a", "b")]).await;
    assert_eq!(statuses, ["refused", "counted"]);
    is_unharmed(&world).await;
}

#[tokio::test]
async fn more_than_32_bits_of_a_figure_are_shown_as_the_largest_number() {
    let world = World::new().await;
    let point = |n: usize| {
        json!({
            "event_id": format!("e{n}"), "match_id": "m", "player_id": "a",
            "event_type": "objective", "timestamp": BEGIN_S * 1_000,
            "event_data": {"name": "flag", "points": 1_000_000},
        })
    };
    let events: Vec<_> = (0..4_400).map(point).collect();
    for events in events.chunks(2_200) {
        assert!(world.post(events).await.iter().all(|status| status == "counted"));
    }
    let shown = world.get("matches/m/players/a").await;
    assert_eq!(shown["objectives"], 4_400);
    // 4.4 thousand million do not fit: it never starts anew.
    let points = &shown["objectivePoints"];
    let points = points.as_u64().or_else(|| points.as_str()?.parse().ok()).unwrap();
    assert!([u64::from(u32::MAX), 4_400_000_000].contains(&points), "{points}");
    let board = world.get("leaderboards/objective_points").await;
    assert_eq!(board["entries"][0]["value"], 4_400_000_000_u64);
    // Nobody can tell of 2^32 at once.
    let mut wrong = point(9_999);
    wrong["event_data"]["points"] = json!(1_u64 << 32);
    assert_eq!(world.post(&[wrong]).await, ["refused"]);
}

#[tokio::test]
async fn limits_and_metrics_are_told_what_is_accepted() {
    let world = World::new().await;
    let players = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let events: Vec<_> = players.iter().map(|p| kill("m", p, 0, p, "victim")).collect();
    world.post(&events).await;
    for path in ["matches/m/leaderboard/kills", "leaderboards/kills"] {
        let shown = world.get(&format!("{path}?limit=0")).await;
        assert_eq!(shown["entries"].as_array().unwrap().len(), 10, "{path}: the default");
        for limit in ["1000000000", "-1", "1001"] {
            let answer = world.http("GET", &format!("{path}?limit={limit}"), &[], "").await;
            assert_eq!(answer.status, 400, "{path} {limit}");
            assert!(answer.body.windows(4).any(|w| w == b"1000"), "{:?}", answer.body);
        }
        let answer = world.http("GET", &path.replace("kills", "kill_count"), &[], "").await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 400);
        for metric in ["kills", "kd_ratio", "accuracy"] {
            assert!(text.contains(metric), "{text}");
        }
    }
}
