//! What of a call goes along when it is forwarded, and what of the answer comes back.

use std::time::Instant;

use gamemesh_rpc::auth::Permit;
use gamemesh_rpc::deadline::Deadline;
use gamemesh_rpc::forward::{Mark, VOUCHED_HEADER};
use gamemesh_rpc::trace::{CORRELATION_HEADER, Correlation};
use http::{HeaderMap, header};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response};

/// What belongs to one connection, or is made anew for the next one.
const OF_THE_CONNECTION: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "date",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message",
    "grpc-status",
    "grpc-timeout",
    "host",
    "te",
    "trailer",
    "user-agent",
];

/// The call that is forwarded: who calls, until when, and as part of what.
pub struct CallContext {
    headers: HeaderMap,
    deadline: Option<Deadline>,
}

impl CallContext {
    pub fn of(metadata: &MetadataMap, extensions: &Extensions, mark: &Mark) -> Self {
        let mut headers = metadata.clone().into_headers();
        for name in OF_THE_CONNECTION {
            headers.remove(name);
        }
        if let Ok(correlation) = Correlation::of(extensions) {
            correlation.inject(&mut headers);
        }
        mark.put(&mut headers);
        headers.remove(VOUCHED_HEADER);
        // Who was known by his certificate has nothing else to show there.
        if !headers.contains_key(header::AUTHORIZATION)
            && let Ok(permit) = Permit::of(extensions)
        {
            mark.vouch(&mut headers, permit.principal());
        }
        Self { headers, deadline: extensions.get().copied() }
    }

    /// The call as a request to its owner.
    pub fn request<M>(&self, message: M) -> Request<M> {
        let metadata = MetadataMap::from_headers(self.headers.clone());
        let mut request = Request::from_parts(metadata, Extensions::default(), message);
        if let Some(Deadline(until)) = self.deadline {
            request.set_timeout(until.saturating_duration_since(Instant::now()));
        }
        request
    }

    /// What goes along as headers: the caller's own ones, the trace, and the mark.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether the caller has stopped waiting.
    pub(crate) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|Deadline(until)| Instant::now() >= until)
    }

    /// Whether the call has an idempotency key.
    pub fn has_key(&self) -> bool {
        self.headers.contains_key("idempotency-key")
    }
}

/// The answer as the service made it, without what belongs to the connection.
pub(crate) fn bare<A>(response: Response<A>) -> Response<A> {
    let (metadata, message, extensions) = response.into_parts();
    let mut headers = metadata.into_headers();
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
    headers.remove(CORRELATION_HEADER);
    Response::from_parts(MetadataMap::from_headers(headers), message, extensions)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gamemesh_repository::StoreSecret;
    use gamemesh_rpc::clock::Clock;

    use super::*;

    #[test]
    fn the_caller_goes_along_and_the_connection_stays() {
        let mut metadata = MetadataMap::new();
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("idempotency-key", "k"),
            ("if-match", "\"7\""),
            ("x-correlation-id", "theirs"),
            ("x-forwarded-for", "10.0.0.9"),
            ("user-agent", "game/1"),
            ("te", "trailers"),
            ("grpc-timeout", "5S"),
            ("grpc-accept-encoding", "gzip"),
        ] {
            metadata.insert(name, value.parse().unwrap());
        }
        let mut extensions = Extensions::default();
        extensions.insert(Correlation::from_headers(&metadata.clone().into_headers()));
        extensions.insert(Deadline(Instant::now() + Duration::from_secs(2)));
        let secret = StoreSecret::generate();
        let mark = Mark::new(&secret, Clock::system());
        let call = CallContext::of(&metadata, &extensions, &mark);
        assert!(call.has_key() && !call.is_late());

        let forwarded = call.request(()).into_parts().0;
        let text = |name: &str| forwarded.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(text("authorization"), Some("Bearer x"));
        assert_eq!(text("idempotency-key"), Some("k"));
        assert_eq!(text("if-match"), Some("\"7\""));
        assert_eq!(text("x-correlation-id"), Some("theirs"));
        assert_eq!(text("x-forwarded-for"), Some("10.0.0.9"));
        assert!(mark.proves(forwarded.as_ref()));
        // The token says who calls.
        assert_eq!(text("x-gamemesh-forwarded-caller"), None);
        assert_eq!(
            (text("user-agent"), text("te"), text("grpc-accept-encoding")),
            (None, None, None)
        );
        // What is left of the time, not what was given at first.
        assert_ne!(text("grpc-timeout"), Some("5S"));
        assert!(text("grpc-timeout").is_some());

        // What a caller says of himself is not passed on as ours.
        metadata.insert("x-gamemesh-forwarded-caller", "me".parse().unwrap());
        metadata.remove("authorization");
        extensions.insert(Permit::internal("spiffe://mesh/matchmaker"));
        let call = CallContext::of(&metadata, &extensions, &mark);
        let vouched = call.headers()["x-gamemesh-forwarded-caller"].to_str().unwrap();
        assert!(vouched.contains("spiffe://mesh/matchmaker"), "{vouched}");

        let none = CallContext::of(&MetadataMap::new(), &Extensions::default(), &mark);
        assert!(!none.has_key() && !none.is_late());
        assert!(none.request(()).metadata().get("grpc-timeout").is_none());
        let late = CallContext { deadline: Some(Deadline(Instant::now())), ..none };
        assert!(late.is_late());
    }
}
