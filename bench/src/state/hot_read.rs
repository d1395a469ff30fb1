//! Hot reads: the cache, the layers and the wire, against the wire alone.

use std::path::Path;

use bytes::Bytes;
use gamemesh_client::v1::{GetPlayerRequest, PutPlayerRequest};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::net::TcpStream;

use super::StateBenchArgs;
use super::sample;
use crate::exit::{Outcome, Problem};
use crate::load::{LoadArgs, Operation, closed};
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, failed};
use crate::unary::{self, Client};

/// The method that reads a player.
pub(crate) const GET_PLAYER: &str = "/gamemesh.state.v1.StateService/GetPlayer";

pub(crate) const PLAYER: &str = "bench-player";
const PATH: &str = "/api/v1/state/player/bench-player";

/// Over gRPC.
pub(crate) async fn grpc(args: &StateBenchArgs, dir: &Path) -> Outcome<Row> {
    let product = with_player(Server::product(dir).await?).await?;
    let (answer, pairs) = grpc_pairs(&product, &args.load, &request(), dir).await?;
    let bar = Bar::AtLeast { floor: 0.7, aim: 0.95 };
    Ok(Row::new("hot read over gRPC, all layers on", "bare tonic, same bytes", "/s", bar, pairs)
        .note(format!("an answer of {answer} bytes")))
}

/// Bytes of the answer, and pairs of the bare server and the product.
pub(crate) async fn grpc_pairs(
    product: &Server,
    load: &LoadArgs,
    request: &GetPlayerRequest,
    dir: &Path,
) -> Outcome<(usize, Vec<Pair>)> {
    let mut stub = product.stubs(1).await?.remove(0);
    let answer = stub.get_player(request.clone()).await.map_err(failed)?.into_inner();
    let file = dir.join("answer.bin");
    std::fs::write(&file, answer.encode_to_vec())?;
    let baseline = Server::baseline(dir, "grpc", &file).await?;

    let mut pairs = Vec::new();
    for _ in 0..load.pairs {
        let base = closed(grpc_readers(&baseline, load, request).await?, load.duration).await?;
        let ours = closed(grpc_readers(product, load, request).await?, load.duration).await?;
        pairs.push(Pair { ours, baseline: base });
    }
    Ok((answer.encoded_len(), pairs))
}

/// Over REST, HTTP/1.1 with one connection for each client.
pub(crate) async fn rest(args: &StateBenchArgs, dir: &Path) -> Outcome<Row> {
    let product = with_player(Server::product(dir).await?).await?;
    let answer = get(&mut connection(&product).await?, product.address(), PATH).await?;
    let file = dir.join("answer.json");
    std::fs::write(&file, &answer)?;
    let baseline = Server::baseline(dir, "rest", &file).await?;

    let mut pairs = Vec::new();
    for _ in 0..args.load.pairs {
        let base = closed(rest_readers(&baseline, args).await?, args.load.duration).await?;
        let ours = closed(rest_readers(&product, args).await?, args.load.duration).await?;
        pairs.push(Pair { ours, baseline: base });
    }
    let bar = Bar::AtLeast { floor: 0.5, aim: 0.8 };
    Ok(Row::new("hot read over REST", "bare axum, same JSON", "/s", bar, pairs)
        .note(format!("an answer of {} bytes", answer.len())))
}

/// The same server, with a player in it.
pub(crate) async fn with_player(server: Server) -> Outcome<Server> {
    let put = PutPlayerRequest {
        player_id: PLAYER.into(),
        player: Some(sample::player(PLAYER)),
        ..Default::default()
    };
    server.stubs(1).await?[0].put_player(put).await.map_err(failed)?;
    Ok(server)
}

pub(crate) fn request() -> GetPlayerRequest {
    GetPlayerRequest { player_id: PLAYER.into(), ..Default::default() }
}

/// Clients that make this request again and again.
pub(crate) async fn grpc_readers(
    server: &Server,
    load: &LoadArgs,
    request: &GetPlayerRequest,
) -> Outcome<Vec<Operation>> {
    let reader = |_| -> Client {
        let request = request.clone();
        Box::new(move |out| unary::put(&request, out))
    };
    unary::callers(server, load, GET_PLAYER, (0..load.clients).map(reader).collect()).await
}

async fn rest_readers(server: &Server, args: &StateBenchArgs) -> Outcome<Vec<Operation>> {
    let mut readers: Vec<Operation> = Vec::new();
    for _ in 0..args.load.clients {
        let sender = std::sync::Arc::new(tokio::sync::Mutex::new(connection(server).await?));
        let address = server.address().to_owned();
        readers.push(Box::new(move || {
            let (sender, address) = (sender.clone(), address.clone());
            Box::pin(async move { get(&mut *sender.lock().await, &address, PATH).await.map(|_| 1) })
        }));
    }
    Ok(readers)
}

/// An HTTP/1.1 connection.
pub(crate) async fn connection(server: &Server) -> Outcome<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(server.address()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Problem::failed)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Asks for a resource.
pub(crate) async fn get(
    sender: &mut SendRequest<Empty<Bytes>>,
    address: &str,
    path: &str,
) -> Outcome<Bytes> {
    let request = http::Request::get(path)
        .header(http::header::HOST, address)
        .body(Empty::new())
        .map_err(Problem::failed)?;
    sender.ready().await.map_err(Problem::failed)?;
    let answer = sender.send_request(request).await.map_err(Problem::failed)?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(Problem::failed)?.to_bytes();
    if status.is_success() { Ok(body) } else { Err(Problem::failed(format!("GET: {status}"))) }
}
