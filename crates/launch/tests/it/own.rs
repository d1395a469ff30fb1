//! HTTP routes of a service's own, which every world of these tests has.

use std::time::Duration;

use axum::extract::Path;
use axum::extract::ws::{CloseFrame, Message};
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Extension, Router};
use gamemesh_rpc::auth::{Permit, Role};
use gamemesh_rpc::http_route::Access;
use gamemesh_rpc::service::Mounted;
use gamemesh_rpc::stack::{Endless, PendingAuthentication};
use gamemesh_rpc::trace::Correlation;
use gamemesh_rpc::websocket::{Session, Upgrade};

const PROTOCOLS: [&str; 2] = ["talk.v1", "deaf.v1"];

/// Adds the routes to a service.
pub(crate) fn mounted(service: Mounted) -> Mounted {
    let players = Router::new()
        .route("/own/whoami/{room}", get(whoami).post(whoami))
        .route("/own/wait/{ms}", get(wait).post(wait))
        .route("/own/panic", get(panic))
        .route("/own/feed", get(feed))
        .route("/own/talk", any(talk));
    let later = Router::new().route("/own/later", any(later));
    service
        .http_with(Access::of(&[Role::Player, Role::GameServer]), players)
        .http_with(Access::of(&[Role::Player]).later(), later)
}

async fn whoami(
    Extension(permit): Extension<Permit>,
    Extension(correlation): Extension<Correlation>,
    Path(room): Path<String>,
) -> String {
    assert_eq!(Correlation::current().unwrap().id(), correlation.id());
    let who = permit.principal();
    format!("{} {} {room} {}", who.subject, who.role.as_str(), correlation.id())
}

async fn wait(Path(ms): Path<u64>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "waited"
}

async fn panic() {
    panic!("asked to");
}

async fn feed() -> Response {
    let lines = async_stream::stream! {
        loop {
            yield Ok::<_, std::io::Error>("line\n");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut response = Response::new(axum::body::Body::from_stream(lines));
    response.extensions_mut().insert(Endless);
    response
}

async fn talk(Extension(permit): Extension<Permit>, upgrade: Upgrade) -> Response {
    let subject = permit.principal().subject.to_string();
    upgrade
        .choose(&PROTOCOLS)
        .message_bytes_max(1024)
        .on_upgrade(|session| talk_to(session, subject))
}

async fn later(
    Extension(pending): Extension<PendingAuthentication>,
    permit: Option<Extension<Permit>>,
    upgrade: Upgrade,
) -> Response {
    upgrade.choose(&PROTOCOLS).on_upgrade(async move |mut session: Session| {
        if let Some(Extension(permit)) = permit {
            return talk_to(session, permit.principal().subject.to_string()).await;
        }
        let Some(Ok(Message::Text(token))) = session.socket.recv().await else { return };
        match pending.authenticate(&token) {
            Ok(permit) => talk_to(session, permit.principal().subject.to_string()).await,
            Err(error) => {
                let frame = CloseFrame { code: 4016, reason: error.code.reason().into() };
                let _ = session.socket.send(Message::Close(Some(frame))).await;
            }
        }
    })
}

/// Says who it talks to and repeats what it hears. One who speaks `deaf.v1` does not hear of drains.
async fn talk_to(mut session: Session, subject: String) {
    let correlation = Correlation::current().unwrap().id();
    let _ = session.socket.send(Message::text(format!("{subject} {correlation}"))).await;
    let draining = session.draining.clone();
    let drained = async {
        match session.protocol {
            Some("deaf.v1") => std::future::pending().await,
            _ => draining.cancelled().await,
        }
    };
    tokio::pin!(drained);
    loop {
        tokio::select! {
            message = session.socket.recv() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    let _ = session.socket.send(message).await;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            () = &mut drained => {
                let frame = CloseFrame { code: 1012, reason: "draining".into() };
                let _ = session.socket.send(Message::Close(Some(frame))).await;
                return;
            }
        }
    }
}
