//! What a stranger and a single player cost, seen from beside them: an honest client is served all the
//! while, and the server's memory stays within what is promised.

use std::time::{Duration, Instant};

use gamemesh_domain::Code;
use gamemesh_rpc::config::KEYS;
use gamemesh_testkit::{World, cli, http};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

const SECRET: &str = "a secret that is longer than thirty-two bytes";

/// What else the server may need meanwhile, beside what the test gives it: pages that an allocator keeps.
const MEMORY_SLACK_BYTES: u64 = 64 << 20;

struct Server {
    world: World,
    token: String,
    /// Of another game server.
    mallory: String,
}

fn token(subject: &str) -> String {
    let arguments = ["token", "--role", "game-server", "--subject", subject];
    let made = cli::run_with(&arguments, &[("JWT_SECRET", SECRET)], b"").unwrap();
    assert!(!made.stdout.trim().is_empty(), "{made:?}");
    made.stdout.trim().to_owned()
}

impl Server {
    async fn start(env: &[(&str, &str)]) -> Self {
        let builder = World::builder().env("SERVICES", "state").env("JWT_SECRET", SECRET);
        let builder = env.iter().fold(builder, |builder, (name, value)| builder.env(name, *value));
        let mut world = builder.build().unwrap();
        world.start().await.unwrap();
        Self { world, token: token("ann"), mallory: token("mallory") }
    }

    /// Resident memory.
    fn memory_bytes(&self) -> u64 {
        let process = self.world.process_id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
    }

    /// Calls as an honest game server would, so many times; fails if one is refused.
    async fn assert_served(&self, times: usize) {
        for _ in 0..times {
            let request = ::http::Request::put("/api/v1/state/player/ann")
                .header("authorization", format!("Bearer {}", self.token))
                .header("content-type", "application/json");
            let body = json!({"level": 3}).to_string();
            let answer = http::send(&self.world.address(), request, body).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }

    /// A request for a body of this length, with so much of it.
    async fn begin(&self, token: Option<&str>, length: usize, part: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.world.address()).await.unwrap();
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let head = format!(
            "PUT /api/v1/state/player/ann HTTP/1.1\r\nhost: a\r\n{}content-type: application/json\r\n\
             content-length: {length}\r\n\r\n",
            token.unwrap_or_default()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that has refused may have closed.
        let _ = stream.write_all(&vec![b' '; part]).await;
        stream
    }
}

/// The status of the answer, if it comes in time.
async fn status(stream: &mut TcpStream, within: Duration) -> Option<u16> {
    let mut head = [0; 12];
    let read = tokio::time::timeout(within, stream.read_exact(&mut head)).await;
    read.ok()?.ok()?;
    std::str::from_utf8(&head).ok()?.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_call_learns_it_before_his_body_is_read() {
    let server = Server::start(&[]).await;
    server.assert_served(1).await;
    let before = server.memory_bytes();
    let mut strangers = JoinSet::new();
    for _ in 0..100 {
        let mut stream = server.begin(None, 4 << 20, 1 << 20).await;
        strangers.spawn(async move {
            let answer = status(&mut stream, PATIENCE).await;
            (answer, stream)
        });
    }
    server.assert_served(20).await;
    let answered = strangers.join_all().await;
    assert!(answered.iter().all(|(status, _)| *status == Some(401)), "{answered:?}");
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown < MEMORY_SLACK_BYTES, "{grown} bytes for bodies that nobody asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_end_have_a_bound_in_bytes_and_in_time() {
    const BOUND_BYTES: u64 = 32 << 20;
    let server = Server::start(&[
        ("MAX_RECEIVING_BYTES", "32MiB"),
        ("TRUSTED_PROXIES", "none"),
        ("MAX_CONNECTION_RECEIVING_BYTES", "4MiB"),
        ("BODY_GRACE", "5s"),
        ("MIN_BODY_RATE", "4MiB"),
    ])
    .await;
    server.assert_served(1).await;
    let before = server.memory_bytes();
    let began = Instant::now();
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(server.begin(Some(&server.mallory), 4 << 20, 2 << 20).await);
    }
    server.assert_served(20).await;
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown < 2 * BOUND_BYTES + MEMORY_SLACK_BYTES, "{grown} bytes");
    let (mut refused, mut late) = (0, 0);
    for stream in &mut held {
        match status(stream, PATIENCE).await {
            Some(429) => refused += 1,
            Some(504) => late += 1,
            other => panic!("{other:?} after {:?}", began.elapsed()),
        }
    }
    // A quarter of the bytes is what one caller may have.
    assert!((1..=4).contains(&late) && refused >= 30, "{late} late, {refused} refused");
    server.assert_served(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_asks_and_does_not_listen_costs_one_answer() {
    let server = Server::start(&[]).await;
    server.assert_served(1).await;
    let before = server.memory_bytes();
    let mut sockets = JoinSet::new();
    // Without a token the connection is ended, with one it is not read any further.
    for token in [None, None, Some(server.mallory.clone()), Some(server.mallory.clone())] {
        let address = server.world.address();
        sockets.spawn(async move { ask_and_never_listen(&address, token.as_deref()).await });
    }
    let mut highest = before;
    while !sockets.is_empty() {
        server.assert_served(1).await;
        highest = highest.max(server.memory_bytes());
        tokio::time::sleep(Duration::from_millis(20)).await;
        while sockets.try_join_next().is_some() {}
    }
    let grown = highest - before;
    assert!(grown < MEMORY_SLACK_BYTES, "{grown} bytes for pongs that nobody reads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_costs_as_much_as_it_reads_and_nobody_else_pays() {
    let server = Server::start(&[("RATE_LIMIT_SERVER_BYTES", "64KiB")]).await;
    let address = server.world.address();
    let request = |verb: &str, path: &str, token: &str, body: Json| {
        let request = ::http::Request::builder()
            .method(verb)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http::send(&address, request, body)
    };
    let document = json!({"tale": "x".repeat(20_000)});
    let path = "/api/v1/state/aggregates/world/w";
    let created = request("POST", path, &server.token, document).await.unwrap();
    assert!(created.status.is_success(), "{}", created.text());
    let batch = |token: &str| {
        let keys = vec![json!({"type": "world", "id": "w"}); 500];
        let path = "/api/v1/state/aggregates:batchGet";
        request("POST", path, token, json!({"keys": keys}))
    };
    let first = batch(&server.mallory).await.unwrap();
    assert_eq!(first.status, 200, "what is not known to be dear is answered");
    // A read of one is a read; whatever reads many has to be paid first.
    let refused = batch(&server.mallory).await.unwrap();
    assert_eq!((refused.status.as_u16(), reason(&refused)), (429, "RATE_LIMITED".to_owned()));
    let events = request("GET", &format!("{path}/events"), &server.mallory, json!(null));
    assert_eq!(events.await.unwrap().status, 429);
    assert_eq!(request("GET", path, &server.mallory, json!(null)).await.unwrap().status, 200);
    assert_eq!(batch(&server.token).await.unwrap().status, 200);
}

fn reason(answer: &http::Answer) -> String {
    let details = &answer.json()["details"];
    let known = details.as_array().into_iter().flatten().find_map(|one| one["reason"].as_str());
    known.unwrap_or_default().to_owned()
}

/// Pings for a while, as fast as the server takes them.
async fn ask_and_never_listen(address: &str, token: Option<&str>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    let head = format!(
        "GET /api/v1/state/transactions HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\
         connection: upgrade\r\nsec-websocket-version: 13\r\n{}\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        token.unwrap_or_default()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(&mut stream, PATIENCE).await, Some(101));
    // Final, ping, masked with zeros, 125 bytes.
    let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[7; 125]].concat();
    let burst = ping.repeat(512);
    let asking = async { while stream.write_all(&burst).await.is_ok() {} };
    let _ = tokio::time::timeout(Duration::from_secs(3), asking).await;
}

/// The page of all bounds.
const PAGE: &str = include_str!("../../../../docs/limits.md");

/// Without what is written between digits and units.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect()
}

#[tokio::test]
async fn the_page_names_keys_defaults_and_metrics_as_they_are() {
    let server = Server::start(&[("SERVICES", "all")]).await;
    // What is counted by reason or method shows itself when there is something to count.
    server.assert_served(1).await;
    let address = server.world.address();
    assert_eq!(http::get(&address, "/api/v1/state/player/ann").await.unwrap().status, 401);
    let metrics = http::get(&address, "/metrics").await.unwrap().text();
    let (mut keys, mut families, mut faults) = (0, 0, Vec::new());
    for line in PAGE.lines() {
        for word in line.split('`').skip(1).step_by(2) {
            let is_name = |c: char| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit();
            if ["gamemesh_", "combat_", "grpc_server_"].iter().any(|own| word.starts_with(own)) {
                if !metrics.contains(&format!("# TYPE {word} ")) {
                    faults.push(format!("{word} is no metric"));
                }
                families += 1;
            } else if word.chars().all(is_name) && !Code::ALL.iter().any(|c| c.reason() == word) {
                let key = KEYS.iter().find(|key| key.env.contains(&word));
                let default = key.map_or("a key", |key| key.default);
                if key.is_none() || line.starts_with('|') && !squeezed(line).contains(default) {
                    faults.push(format!("{word} is not {default}"));
                }
                keys += 1;
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(keys > 8 && families > 5, "{keys} keys, {families} metrics");
}
