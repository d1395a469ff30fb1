//! A request that is refused before its body is looked at is read to its end if that is near: over HTTP/2 an
//! answer before the end resets the stream, and older versions of curl then lose the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use futures::StreamExt as _;
use futures::stream;
use http::Request;

use super::world::World;

/// A body of two pieces, and whether it was read to its end.
fn body() -> (Body, Arc<AtomicBool>) {
    let read = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&read);
    let pieces = stream::iter(["{", "}"]).chain(stream::poll_fn(move |_| {
        noted.store(true, Ordering::SeqCst);
        std::task::Poll::Ready(None)
    }));
    (Body::from_stream(pieces.map(Ok::<_, std::io::Error>)), read)
}

#[tokio::test]
async fn a_refusal_comes_after_the_end_of_a_small_body() {
    let world = World::near();
    let json = ("content-type", "application/json");
    let text = ("content-type", "text/plain");
    let table = [
        ("POST", "/nowhere", json, 404),
        ("POST", "/bad%path", json, 404),
        ("PATCH", "/v1/things/7", json, 405),
        ("POST", "/v1/echo", text, 415),
        ("POST", "/v1/echo", ("grpc-timeout", "soon"), 400),
        ("PATCH", "/v1/echo/a/child?nope=1", json, 400),
        ("POST", "/v1/sum/x", text, 415),
        ("POST", "/v1/sum/x?nope=1", json, 400),
        ("POST", "/v1/fail?nope=1", json, 400),
    ];
    for (method, path, (name, value), status) in table {
        let (body, read) = body();
        let request = Request::builder().method(method).uri(path).header(name, value);
        let answer = world.request(request.body(body).expect("a request")).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(read.load(Ordering::SeqCst), "{method} {path}");
    }
}
