//! Headers to metadata and back, deadlines, and the status that a service sets.

use super::world::World;

#[tokio::test]
async fn headers_that_matter_are_forwarded() {
    let sent = [
        ("authorization", "Bearer t"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "a=b"),
        ("baggage", "k=v"),
        ("b3", "1-2-1"),
        ("x-b3-traceid", "1"),
        ("x-correlation-id", "c"),
        ("x-request-id", "r"),
        ("x-anything", "1"),
        ("idempotency-key", "i"),
        ("if-match", "\"3\""),
        ("if-none-match", "\"4\""),
        ("user-agent", "tester/1"),
        ("grpc-metadata-tenant", "t"),
        ("last-event-id", "t7"),
        ("cookie", "secret"),
        ("connection", "close"),
        ("accept", "application/json"),
        ("grpc-timeout", "5S"),
    ];
    for world in [World::near(), World::far().await] {
        let values = world.send_with("GET /v1/metadata", &sent, "").await.json()["values"].clone();
        let expected = [
            ("authorization", "Bearer t"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("tracestate", "a=b"),
            ("baggage", "k=v"),
            ("b3", "1-2-1"),
            ("x-b3-traceid", "1"),
            ("x-correlation-id", "c"),
            ("x-request-id", "r"),
            ("x-anything", "1"),
            ("idempotency-key", "i"),
            ("if-match", "\"3\""),
            ("if-none-match", "\"4\""),
            ("x-user-agent", "tester/1"),
            ("tenant", "t"),
            ("last-event-id", "t7"),
        ];
        for (name, value) in expected {
            assert_eq!(values[name], value, "{name}");
        }
        for name in ["cookie", "connection", "accept", "grpc-metadata-tenant"] {
            assert!(values.get(name).is_none(), "{name} is not forwarded");
        }
        assert!(values["grpc-timeout"].is_string());
    }
}

/// A proxy on the way that looks at a header must have seen the one that counts.
#[tokio::test]
async fn what_is_reserved_is_refused_under_another_name() {
    for world in [World::near(), World::far().await] {
        for name in [
            "authorization",
            "traceparent",
            "idempotency-key",
            "if-match",
            "grpc-timeout",
            "grpc-status",
            "content-type",
            "te",
            "connection",
            "transfer-encoding",
            "host",
            "upgrade",
            "proxy-authorization",
            "x-gamemesh-forwarded",
        ] {
            let header = format!("grpc-metadata-{name}");
            let sent = [("authorization", "Bearer t"), (header.as_str(), "other")];
            let refused = world.send_with("GET /v1/metadata", &sent, "").await;
            assert_eq!(refused.status, 400, "{name}");
            let text = refused.json().to_string();
            assert!(text.contains(&header) && text.contains("reserved"), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn metadata_comes_back_as_headers() {
    let headers = [("x-set-etag", "\"7\""), ("x-set-plain", "p"), ("x-set-code", "201")];
    for world in [World::near(), World::far().await] {
        let answer = world.send_with("GET /v1/things/1", &headers, "").await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("etag"), "\"7\"");
        assert_eq!(answer.header("grpc-metadata-plain"), "p");
        assert_eq!(answer.header("x-rpc"), "GetThing");
        for name in [
            "x-http-code",
            "plain",
            "grpc-status",
            "grpc-metadata-date",
            "grpc-metadata-grpc-status",
        ] {
            assert_eq!(answer.header(name), "", "{name} stays inside");
        }
    }
}

#[tokio::test]
async fn a_service_sets_a_status_of_success_only() {
    let world = World::near();
    for (code, status, empty) in [
        ("204", 204, true),
        ("304", 304, true),
        ("202", 202, false),
        ("500", 200, false),
        ("999", 200, false),
        ("x", 200, false),
    ] {
        let answer = world.send_with("GET /v1/things/1", &[("x-set-code", code)], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.is_empty()), (status, empty), "{code}");
    }
}

/// A service that sends its metadata first and refuses after.
fn refusing(initial: &'static [(&'static str, &'static str)]) -> World {
    let service = tower::service_fn(move |_: http::Request<tonic::body::Body>| async move {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", "8".parse().expect("a header"));
        trailers.insert("grpc-message", "later".parse().expect("a header"));
        trailers.insert("x-both", "at the end".parse().expect("a header"));
        let frames = [Ok::<_, tonic::Status>(http_body::Frame::trailers(trailers))];
        let body = http_body_util::StreamBody::new(futures::stream::iter(frames));
        let mut response = http::Response::new(tonic::body::Body::new(body));
        for (name, value) in initial {
            response.headers_mut().append(*name, value.parse().expect("a header"));
        }
        Ok::<_, std::convert::Infallible>(response)
    });
    World::before(gamemesh_gateway::boxed_upstream(service))
}

#[tokio::test]
async fn what_a_service_said_before_it_refused_is_kept() {
    let world = refusing(&[
        ("content-type", "application/grpc"),
        ("retry-after", "7"),
        ("x-quota", "0"),
        ("x-quota", "of 5"),
        ("x-both", "at the beginning"),
        ("plain", "p"),
    ]);
    for line in ["GET /v1/things/1", "POST /v1/body"] {
        let answer = world.send(line, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["message"].as_str()),
            (429, Some("later"))
        );
        assert_eq!(answer.header("retry-after"), "7");
        assert_eq!(answer.headers.get_all("x-quota").iter().count(), 2);
        assert_eq!(answer.header("x-both"), "at the end");
        assert_eq!(answer.header("grpc-metadata-plain"), "p");
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn metadata_may_be_long() {
    for world in [World::near(), World::far().await] {
        let answer = world.send_with("GET /v1/things/1", &[("x-set-long", "20480")], "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("grpc-metadata-long").len(), 20_480);
    }
}

#[tokio::test]
async fn deadlines_are_kept() {
    for world in [World::near(), World::far().await] {
        let started = std::time::Instant::now();
        let answer = world
            .send_with("GET /v1/count/1?hang=true", &[("x-request-timeout", "200ms")], "")
            .await;
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
        let last = answer.text().lines().last().unwrap_or("").to_owned();
        assert!(last.contains("\"code\":4") || last.contains("\"code\":1,"), "{last}");
        let answer = world.send_with("GET /v1/things/1", &[("grpc-timeout", "soon")], "").await;
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (400, "INVALID_ARGUMENT"));
    }
}
