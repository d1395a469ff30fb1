//! Hot reads: the cache, the layers and the wire, against the wire alone.

use std::path::Path;

use bytes::Bytes;
use gamemesh_client::v1::{GetPlayerRequest, PutPlayerRequest};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::net::TcpStream;

use super::load::{Operation, closed};
use super::report::{Bar, Pair, Row};
use super::sample;
use super::server::{Server, Stub, failed};
use super::state::StateBenchArgs;
use crate::exit::{Outcome, Problem};

const PLAYER: &str = "bench-player";

/// Over gRPC.
pub(super) async fn grpc(args: &StateBenchArgs, dir: &Path) -> Outcome<Row> {
    let product = with_player(dir).await?;
    let answer =
        product.stubs(1).await?[0].get_player(request()).await.map_err(failed)?.into_inner();
    let file = dir.join("answer.bin");
    std::fs::write(&file, answer.encode_to_vec())?;
    let baseline = Server::baseline(dir, "grpc", &file).await?;

    let mut pairs = Vec::new();
    for _ in 0..args.pairs {
        let base = closed(grpc_readers(&baseline, args).await?, args.duration).await?;
        let ours = closed(grpc_readers(&product, args).await?, args.duration).await?;
        pairs.push(Pair { ours, baseline: base });
    }
    let bar = Bar::AtLeast { floor: 0.7, aim: 0.95 };
    Ok(Row::new("hot read over gRPC, all layers on", "bare tonic, same bytes", "/s", bar, pairs)
        .note(format!("an answer of {} bytes", answer.encoded_len())))
}

/// Over REST, HTTP/1.1 with one connection for each client.
pub(super) async fn rest(args: &StateBenchArgs, dir: &Path) -> Outcome<Row> {
    let product = with_player(dir).await?;
    let answer = get(&mut connection(&product).await?, product.address()).await?;
    let file = dir.join("answer.json");
    std::fs::write(&file, &answer)?;
    let baseline = Server::baseline(dir, "rest", &file).await?;

    let mut pairs = Vec::new();
    for _ in 0..args.pairs {
        let base = closed(rest_readers(&baseline, args).await?, args.duration).await?;
        let ours = closed(rest_readers(&product, args).await?, args.duration).await?;
        pairs.push(Pair { ours, baseline: base });
    }
    let bar = Bar::AtLeast { floor: 0.5, aim: 0.8 };
    Ok(Row::new("hot read over REST", "bare axum, same JSON", "/s", bar, pairs)
        .note(format!("an answer of {} bytes", answer.len())))
}

pub(super) async fn with_player(dir: &Path) -> Outcome<Server> {
    let server = Server::product(dir).await?;
    let put = PutPlayerRequest {
        player_id: PLAYER.into(),
        player: Some(sample::player(PLAYER)?),
        ..Default::default()
    };
    server.stubs(1).await?[0].put_player(put).await.map_err(failed)?;
    Ok(server)
}

pub(super) fn request() -> GetPlayerRequest {
    GetPlayerRequest { player_id: PLAYER.into(), ..Default::default() }
}

pub(super) async fn grpc_readers(
    server: &Server,
    args: &StateBenchArgs,
) -> Outcome<Vec<Operation>> {
    let stubs = server.stubs(args.connections.into()).await?;
    let reader = |stub: Stub| -> Operation {
        Box::new(move || {
            let mut stub = stub.clone();
            Box::pin(async move { stub.get_player(request()).await.map(|_| 1).map_err(failed) })
        })
    };
    Ok((0..usize::from(args.clients)).map(|n| reader(stubs[n % stubs.len()].clone())).collect())
}

async fn rest_readers(server: &Server, args: &StateBenchArgs) -> Outcome<Vec<Operation>> {
    let mut readers: Vec<Operation> = Vec::new();
    for _ in 0..args.clients {
        let sender = std::sync::Arc::new(tokio::sync::Mutex::new(connection(server).await?));
        let address = server.address().to_owned();
        readers.push(Box::new(move || {
            let (sender, address) = (sender.clone(), address.clone());
            Box::pin(async move { get(&mut *sender.lock().await, &address).await.map(|_| 1) })
        }));
    }
    Ok(readers)
}

async fn connection(server: &Server) -> Outcome<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(server.address()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Problem::failed)?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn get(sender: &mut SendRequest<Empty<Bytes>>, address: &str) -> Outcome<Bytes> {
    let request = http::Request::get(format!("/api/v1/state/player/{PLAYER}"))
        .header(http::header::HOST, address)
        .body(Empty::new())
        .map_err(Problem::failed)?;
    sender.ready().await.map_err(Problem::failed)?;
    let answer = sender.send_request(request).await.map_err(Problem::failed)?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(Problem::failed)?.to_bytes();
    if status.is_success() { Ok(body) } else { Err(Problem::failed(format!("GET: {status}"))) }
}
