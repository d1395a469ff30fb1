use std::collections::HashMap;

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::closed::Shared;
use super::*;

/// What a server of these tests does with the message of a call: answers it, or refuses the call.
type Serve = fn(&[u8]) -> bool;

const PATH: &str = "/gamemesh.test/Call";

/// A server of the h2 crate for one connection. It gives the messages that came, when the connection is over.
async fn server(serve: Serve) -> (String, JoinHandle<Vec<Bytes>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let authority = address.clone();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let mut messages = Vec::new();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let (head, mut body) = request.into_parts();
            assert_eq!(head.method, http::Method::POST);
            assert_eq!(head.uri.to_string(), format!("http://{authority}{PATH}"));
            assert_eq!(head.headers["content-type"], "application/grpc");
            assert_eq!(head.headers["te"], "trailers");
            // The connection goes on meanwhile: what is needed of it has come with the head or comes now.
            let mut message = BytesMut::new();
            while let Some(data) = std::future::poll_fn(|cx| {
                let _ = connection.poll_closed(cx);
                body.poll_data(cx)
            })
            .await
            {
                let data = data.unwrap();
                body.flow_control().release_capacity(data.len()).unwrap();
                message.put_slice(&data);
            }
            let message = message.freeze();
            assert_eq!(message[0], 0, "compressed");
            assert_eq!(message[1..5], ((message.len() - 5) as u32).to_be_bytes());
            let status = if serve(&message[5..]) { "0" } else { "8" };
            let trailers = http::HeaderMap::from_iter([(
                "grpc-status".parse().unwrap(),
                status.parse().unwrap(),
            )]);
            if status == "0" {
                let mut answer = respond.send_response(http::Response::new(()), false).unwrap();
                answer.send_data(message.slice(..5), false).unwrap();
                answer.send_trailers(trailers).unwrap();
            } else {
                let mut refusal = http::Response::new(());
                *refusal.headers_mut() = trailers;
                respond.send_response(refusal, true).unwrap();
            }
            messages.push(message.slice(5..));
        }
        messages
    });
    (address, task)
}

/// The same in a thread of its own, which may stand still.
async fn served_apart(serve: Serve) -> (String, std::thread::JoinHandle<Vec<Bytes>>) {
    let (tell, address) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (address, server) = server(serve).await;
            tell.send(address).unwrap();
            server.await.unwrap()
        })
    });
    (address.await.unwrap(), thread)
}

/// Numbers its messages, which are of this size.
fn client(number: u8, size: usize) -> Client {
    let mut n = 0_u32;
    Box::new(move |out| {
        out.put_u8(number);
        out.put_u32(n);
        out.put_bytes(0, size - 5);
        n += 1;
    })
}

async fn clients(address: &str, count: u8, size: usize) -> Shared {
    let clients = (0..count).map(|number| client(number, size)).collect();
    Shared::open(address, PATH, clients).await.unwrap()
}

/// Makes calls until so many are answered, and returns what the server got of each client.
async fn called(count: u8, size: usize, calls: u64) -> HashMap<u8, Vec<u32>> {
    let (address, server) = server(|_| true).await;
    let mut clients = clients(&address, count, size).await;
    let mut answered = 0;
    while answered < calls {
        answered += clients.step().await.unwrap();
    }
    drop(clients);
    let mut numbers: HashMap<u8, Vec<u32>> = HashMap::new();
    for message in server.await.unwrap() {
        assert_eq!(message.len(), size);
        let number = u32::from_be_bytes(*message[1..].first_chunk().unwrap());
        numbers.entry(message[0]).or_default().push(number);
    }
    numbers
}

#[tokio::test]
async fn each_client_makes_one_call_after_the_other() {
    let numbers = called(3, 20, 300).await;
    assert_eq!(numbers.len(), 3);
    for numbers in numbers.into_values() {
        assert!(numbers.len() >= 99);
        assert!(numbers.iter().copied().eq(0..numbers.len() as u32), "{numbers:?}");
    }
}

/// The server gives a connection room for 65,535 bytes, and ends one that sends more.
#[tokio::test]
async fn calls_wait_until_the_server_has_room() {
    let numbers = called(16, 10_000, 200).await;
    assert_eq!(numbers.len(), 16);
}

#[tokio::test]
async fn a_refused_call_ends_the_measurement() {
    let (address, _server) = server(|message| message[4] < 3).await;
    let mut clients = clients(&address, 1, 20).await;
    for _ in 0..3 {
        assert_eq!(clients.step().await.unwrap(), 1);
    }
    let refused = clients.step().await.unwrap_err();
    assert!(refused.to_string().contains("a call was refused"), "{refused:?}");
}

#[tokio::test]
async fn a_connection_that_ends_is_no_answer() {
    let (address, server) = server(|_| true).await;
    let mut clients = clients(&address, 2, 20).await;
    clients.step().await.unwrap();
    server.abort();
    while clients.step().await.is_ok() {}
}

fn numbered() -> Calls<impl Fn(u64) -> u64 + Clone + Send + 'static> {
    Calls { path: PATH, request: |n| n + 1 }
}

/// The numbers of these calls, as the server got them.
async fn numbers(server: JoinHandle<Vec<Bytes>>) -> Vec<u64> {
    let decoded = |message| u64::decode(message).unwrap() - 1;
    server.await.unwrap().into_iter().map(decoded).collect()
}

#[tokio::test]
async fn each_call_is_made_once_when_it_is_due() {
    let (address, server) = server(|_| true).await;
    let begins = Instant::now();
    let took = numbered().on(&address, 1, 400.0, Duration::from_millis(250)).await.unwrap();
    assert!(begins.elapsed() >= Duration::from_secs_f64(299.0 / 400.0));
    // Those of the warm-up are made, and not counted.
    assert_eq!(numbers(server).await, (0..300).collect::<Vec<_>>());
    assert_eq!(took.len(), 100);
}

#[tokio::test]
async fn a_stall_is_charged_to_everybody_who_would_have_called() {
    // The server stands still for half a second, once.
    let stalls = |message: &[u8]| {
        if message == 201_u64.encode_to_vec() {
            std::thread::sleep(Duration::from_millis(500));
        }
        true
    };
    let (address, server) = served_apart(stalls).await;
    let took = numbered().on(&address, 1, 200.0, Duration::from_secs(1)).await.unwrap();
    assert!(took.value_at_quantile(0.7) > 50_000, "coordinated omission");
    assert_eq!(took.len(), 200);
    assert_eq!(server.join().unwrap().len(), 300);
}

#[tokio::test]
async fn a_refused_call_ends_an_open_loop() {
    let (address, _server) = server(|message| message != 8_u64.encode_to_vec()).await;
    let refused = numbered().on(&address, 1, 1_000.0, Duration::ZERO).await.unwrap_err();
    assert!(refused.to_string().contains("a call was refused"), "{refused:?}");
}
