//! A service's own HTTP routes: what the layer stack does for them.

use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use gamemesh_launch::Outcome;
use gamemesh_rpc::auth::Role;
use http::Request;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::auth::{SECRET, bearer};
use crate::world::{Answer, World, world};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request =
        headers.iter().fold(Request::get(path), |r, (name, value)| r.header(*name, *value));
    world.http(request, b"").await
}

fn reason(answer: &Answer) -> String {
    answer.json()["details"][0]["reason"].as_str().unwrap().to_owned()
}

async fn connect(world: &World, path: &str, protocols: &str) -> Result<(Socket, String), Error> {
    let mut request = format!("ws://{}{path}", world.addr).into_client_request()?;
    if !protocols.is_empty() {
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    }
    request.headers_mut().insert("x-correlation-id", "talk-1".parse().unwrap());
    let (socket, response) = tokio_tungstenite::connect_async(request).await?;
    let chosen = response.headers().get("sec-websocket-protocol");
    Ok((socket, chosen.map_or("", |value| value.to_str().unwrap()).to_owned()))
}

fn refused(result: Result<(Socket, String), Error>) -> u16 {
    match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the upgrade was accepted"),
    }
}

async fn text(socket: &mut Socket) -> String {
    match tokio::time::timeout(Duration::from_secs(5), socket.next()).await.unwrap() {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn close_code(socket: &mut Socket) -> u16 {
    match tokio::time::timeout(Duration::from_secs(5), socket.next()).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
        other => panic!("{other:?}"),
    }
}

/// `Bearer x` as the sub-protocol that a browser would offer.
fn offered(bearer: &str) -> String {
    bearer.replace("Bearer ", "bearer.")
}

#[tokio::test]
async fn the_stack_admits_by_token_and_role_and_tells_the_handler_who_calls() {
    let world = world(&[("jwt-secret", SECRET)]).await;
    let ann = bearer(&world, "ann", Role::Player);
    let headers = [("authorization", ann.as_str()), ("x-correlation-id", "call-7")];
    let answer = get(&world, "/own/whoami/hall", &headers).await;
    assert_eq!((answer.status, answer.text()), (200, "ann player hall call-7"));
    assert_eq!(answer.header("x-correlation-id"), "call-7");

    let missing = get(&world, "/own/whoami/hall", &[]).await;
    assert_eq!((missing.status, reason(&missing).as_str()), (401, "UNAUTHENTICATED"));
    assert!(!missing.header("x-correlation-id").is_empty());
    let analyst = bearer(&world, "eve", Role::Analyst);
    let denied = get(&world, "/own/whoami/hall", &[("authorization", &analyst)]).await;
    assert_eq!((denied.status, reason(&denied).as_str()), (403, "PERMISSION_DENIED"));
    assert!(denied.text().contains("player or game-server"), "{}", denied.text());
    let admin = bearer(&world, "root", Role::Admin);
    let admitted = get(&world, "/own/whoami/hall", &[("authorization", &admin)]).await;
    assert_eq!(admitted.status, 200);
}

#[tokio::test]
async fn a_path_that_it_does_not_know_goes_on_and_a_method_is_refused() {
    let world = world(&[]).await;
    assert_eq!(world.get("/rest").await.text(), "rest");
    let unknown = world.get("/own/nothing").await;
    assert_eq!((unknown.status, reason(&unknown).as_str()), (404, "UNKNOWN_PATH"));
    let method = world.http(Request::delete("/own/whoami/hall"), b"").await;
    assert_eq!((method.status, reason(&method).as_str()), (405, "METHOD_NOT_ALLOWED"));
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let world = world(&[]).await;
    for room in 0..3 {
        get(&world, &format!("/own/whoami/{room}"), &[]).await;
    }
    let panicked = get(&world, "/own/panic", &[]).await;
    assert_eq!((panicked.status, reason(&panicked).as_str()), (500, "INTERNAL"));
    let metrics = world.get("/metrics").await;
    for line in [
        r#"http_server_requests_total{route="/own/whoami/{room}",method="GET",status="200"} 3"#,
        r#"http_server_requests_total{route="/own/panic",method="GET",status="500"} 1"#,
        r#"http_server_request_seconds_count{route="/own/whoami/{room}",method="GET"} 3"#,
    ] {
        assert!(metrics.text().contains(line), "{line} is not in\n{}", metrics.text());
    }
    assert!(!metrics.text().contains("/own/whoami/1"));
}

#[tokio::test]
async fn deadlines_places_and_rates_hold_for_them_too() {
    let flags = [("jwt-secret", SECRET), ("rate-limit-write", "2"), ("max-in-flight", "1")];
    let world = world(&flags).await;
    let ann = bearer(&world, "ann", Role::Player);
    let headers = [("authorization", ann.as_str())];
    let started = Instant::now();
    let late = [("authorization", ann.as_str()), ("grpc-timeout", "50m")];
    let answer = get(&world, "/own/wait/60000", &late).await;
    assert_eq!((answer.status, reason(&answer).as_str()), (504, "DEADLINE_EXCEEDED"));
    assert!(started.elapsed() < Duration::from_secs(5));

    let slow = get(&world, "/own/wait/300", &headers);
    let shed = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        get(&world, "/own/wait/0", &headers).await
    };
    let (slow, shed) = futures::join!(slow, shed);
    assert_eq!(slow.status, 200);
    assert_eq!((shed.status, reason(&shed).as_str()), (429, "OVERLOADED"));

    let post = async || {
        let request = Request::post("/own/wait/0").header("authorization", ann.as_str());
        world.http(request, b"").await.status
    };
    assert_eq!([post().await, post().await, post().await], [200, 200, 429]);
    assert_eq!(get(&world, "/own/wait/0", &headers).await.status, 200, "reads are counted apart");
}

#[tokio::test]
async fn a_browser_brings_its_token_as_a_sub_protocol() {
    let world = world(&[("jwt-secret", SECRET)]).await;
    let ann = offered(&bearer(&world, "ann", Role::Player));
    let (mut socket, chosen) =
        connect(&world, "/own/talk", &format!("talk.v9, {ann}, talk.v1")).await.unwrap();
    assert_eq!(chosen, "talk.v1");
    assert_eq!(text(&mut socket).await, "ann talk-1");
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(text(&mut socket).await, "hello");
    let open = r#"http_server_websockets_open{route="/own/talk"} 1"#;
    assert!(world.get("/metrics").await.text().contains(open));

    socket.send(Message::text("x".repeat(2000))).await.unwrap();
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))), "the bound is not kept");
    drop(socket);

    assert_eq!(refused(connect(&world, "/own/talk", "talk.v1").await), 401);
    let forged = format!("talk.v1, {ann}x");
    assert_eq!(refused(connect(&world, "/own/talk", &forged).await), 401);
    let eve = offered(&bearer(&world, "eve", Role::Spectator));
    let spectator = format!("talk.v1, {eve}");
    assert_eq!(refused(connect(&world, "/own/talk", &spectator).await), 403);
}

#[tokio::test]
async fn a_route_may_take_the_token_from_the_first_message() {
    let world = world(&[("jwt-secret", SECRET), ("rate-limit-read", "3")]).await;
    let token = |subject: &str, role| bearer(&world, subject, role).replace("Bearer ", "");
    let first = async |token: &str| {
        let (mut socket, _) = connect(&world, "/own/later", "").await.unwrap();
        socket.send(Message::text(token)).await.unwrap();
        socket
    };
    assert_eq!(text(&mut first(&token("ann", Role::Player)).await).await, "ann talk-1");
    assert_eq!(close_code(&mut first("nonsense").await).await, 4016);
    let mut wrong_role = first(&token("eve", Role::Analyst)).await;
    assert_eq!(close_code(&mut wrong_role).await, 4016);

    // A token that comes with the request is asked for with the request.
    let bob = offered(&bearer(&world, "bob", Role::Player));
    let (mut socket, _) = connect(&world, "/own/later", &format!("{bob}, talk.v1")).await.unwrap();
    assert_eq!(text(&mut socket).await, "bob talk-1");
    assert_eq!(refused(connect(&world, "/own/later", "bearer.x, talk.v1").await), 401);

    // The allowance is the caller's, whenever he says who he is.
    let ann = token("ann", Role::Player);
    for _ in 0..2 {
        assert_eq!(text(&mut first(&ann).await).await, "ann talk-1");
    }
    assert_eq!(close_code(&mut first(&ann).await).await, 4016);
}

#[tokio::test]
async fn who_shows_his_token_in_the_first_message_is_a_stranger_no_more() {
    let flags =
        [("jwt-secret", SECRET), ("trusted-proxies", "none"), ("max-player-connections", "2")];
    let world = world(&flags).await;
    let token = bearer(&world, "ann", Role::Player).replace("Bearer ", "");
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let (mut socket, _) = connect(&world, "/own/later", "").await.unwrap();
        socket.send(Message::text(&*token)).await.unwrap();
        assert_eq!(text(&mut socket).await, "ann talk-1");
        sockets.push(socket);
    }
    let (mut third, _) = connect(&world, "/own/later", "").await.unwrap();
    third.send(Message::text(&*token)).await.unwrap();
    assert_eq!(close_code(&mut third).await, 4016, "it is one of hers");
    let metrics = world.get("/metrics").await;
    // The third, until it is closed, and who asks for the metrics.
    let strangers = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("gamemesh_connections_strangers ")?.parse::<u32>().ok());
    assert!(strangers.unwrap() <= 2, "{strangers:?}");
}

#[tokio::test]
async fn a_drain_lets_sessions_hand_over_and_ends_those_that_do_not() {
    let world = world(&[("drain-timeout", "500ms")]).await;
    let (mut polite, _) = connect(&world, "/own/talk", "talk.v1").await.unwrap();
    text(&mut polite).await;
    let feed = get(&world, "/own/feed", &[]);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.trigger.stop();
    };
    let (feed, ()) = futures::join!(feed, stop);
    assert!(feed.text().starts_with("line\n"));
    assert_eq!(close_code(&mut polite).await, 1012);
    drop(polite);
    assert_eq!(world.served.await.unwrap().unwrap(), Outcome::Drained);
}

#[tokio::test]
async fn the_drain_timeout_cuts_a_session_that_does_not_hear_of_it() {
    let world = world(&[("drain-timeout", "200ms")]).await;
    let (mut deaf, _) = connect(&world, "/own/talk", "deaf.v1").await.unwrap();
    text(&mut deaf).await;
    let started = Instant::now();
    world.trigger.stop();
    deaf.send(Message::text("still here")).await.unwrap();
    assert_eq!(text(&mut deaf).await, "still here", "it is served until the timeout");
    assert!(!matches!(deaf.next().await, Some(Ok(Message::Text(_)))));
    assert_eq!(world.served.await.unwrap().unwrap(), Outcome::CutOff);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}
