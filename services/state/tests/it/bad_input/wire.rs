//! Requests that never come to be a message.

use bytes::{BufMut as _, Bytes, BytesMut};
use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::Code;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use prost::Message as _;
use tonic::Status;

use super::names::read;
use crate::it::calls::reason;
use crate::it::world::World;

const SEED: &str = "/api/v1/state/aggregates/economy/seed";

pub(super) async fn rest(world: &World) {
    let json = ("content-type", "application/json");
    let patch = r#"{"mergePatch": {}}"#;
    let zipped = [json, ("content-encoding", "gzip")];
    let latin = [("content-type", "application/json; charset=iso-8859-1")];
    for (what, method, path, headers, body, code) in [
        (
            "XML",
            "PATCH",
            SEED,
            &[("content-type", "text/xml")][..],
            patch,
            Code::UnsupportedMediaType,
        ),
        (
            "a form",
            "PATCH",
            SEED,
            &[("content-type", "multipart/form-data")],
            patch,
            Code::UnsupportedMediaType,
        ),
        ("gzip", "PATCH", SEED, &zipped, patch, Code::UnsupportedMediaType),
        ("Latin-1", "PATCH", SEED, &latin, patch, Code::UnsupportedMediaType),
        ("no such path", "GET", "/api/v1/state/nothing", &[], "", Code::UnknownPath),
        ("no such version", "GET", "/api/v9/state/player/a", &[], "", Code::UnknownPath),
        ("above the root", "GET", "/api/v1/state/../../etc/passwd", &[], "", Code::UnknownPath),
        (
            "no such verb",
            "POST",
            "/api/v1/state/aggregates:explode",
            &[json],
            "{}",
            Code::UnknownPath,
        ),
        ("a wrong method", "DELETE", "/api/v1/state/player/a", &[], "", Code::MethodNotAllowed),
        ("no method", "BREW", SEED, &[], "", Code::MethodNotAllowed),
    ] {
        let answer = world.http(method, path, headers, body).await;
        let error = answer.json();
        let row = gamemesh_rpc::error::row(code);
        assert_eq!(answer.status, row.http, "{what}: {error}");
        assert_eq!(error["code"], row.grpc as i32, "{what}: {error}");
        let details = error["details"].as_array().unwrap();
        assert!(details.iter().any(|d| d["reason"] == code.reason()), "{what}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        match code {
            Code::MethodNotAllowed => {
                let allow = answer.header("allow");
                assert!(allow.contains("GET") && !allow.contains(method), "{what}: {allow:?}");
            }
            _ => assert_eq!(answer.header("allow"), "", "{what}"),
        }
    }
}

pub(super) async fn grpc(world: &World) {
    let message = read("economy", "seed").encode_to_vec();
    let whole = frame(0, message.len(), &message);
    let method = "GetAggregate";
    let mut nothing = pb::GetAggregateRequest::default().encode_to_vec();
    // Field 2 says that a thousand bytes follow.
    nothing.extend([0x12, 0xe8, 0x07, b'x']);
    for (what, method, body, code) in [
        (
            "a frame that ends within",
            method,
            whole[..whole.len() - 3].to_vec(),
            Code::MalformedBody,
        ),
        ("half a frame's head", method, whole[..3].to_vec(), Code::MalformedBody),
        ("no frame", method, Vec::new(), Code::MalformedBody),
        (
            "a frame that is longer than its message",
            method,
            frame(0, message.len() + 9, &message),
            Code::MalformedBody,
        ),
        ("a frame of 4 GiB", method, frame(0, u32::MAX as usize, &message), Code::PayloadTooLarge),
        (
            "a frame with a flag that is none",
            method,
            frame(7, message.len(), &message),
            Code::MalformedBody,
        ),
        (
            "a message that ends within",
            method,
            frame(0, nothing.len(), &nothing),
            Code::MalformedBody,
        ),
        ("no such method", "GetNothing", whole.clone(), Code::Unimplemented),
    ] {
        let status = call(world, method, "application/grpc", body).await;
        assert_eq!(status.code(), gamemesh_rpc::error::row(code).grpc, "{what}: {status:?}");
        assert_eq!(reason(&status), code.reason(), "{what}: {status:?}");
    }
    let good = call(world, method, "application/grpc", whole).await;
    assert_eq!(good.code(), tonic::Code::Ok, "{good:?}");
}

fn frame(flag: u8, length: usize, message: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(flag);
    frame.put_u32(length as u32);
    frame.put_slice(message);
    frame.to_vec()
}

/// A call put together by hand, and its status.
async fn call(world: &World, method: &str, content_type: &str, body: Vec<u8>) -> Status {
    let http = HttpClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    let uri = format!("http://{}/gamemesh.state.v1.StateService/{method}", world.addr());
    let request = http::Request::post(uri)
        .header("content-type", content_type)
        .header("te", "trailers")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let (parts, body) = http.request(request).await.unwrap().into_parts();
    if let Some(status) = Status::from_header_map(&parts.headers) {
        return status;
    }
    let body = body.collect().await.unwrap();
    Status::from_header_map(body.trailers().unwrap()).unwrap()
}
