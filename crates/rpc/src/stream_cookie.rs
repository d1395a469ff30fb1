//! A browser's `EventSource` can set no header, and a token does not belong in an address. So a page asks
//! once, with its token, for a cookie that carries it: `POST /api/v1/stream-cookie`.
//!
//! The cookie counts where nothing else could be sent and nothing is changed: for `GET` requests that
//! accept server-sent events and bring no `Authorization`. No script can read it, no other site's page
//! sends it, and it ends with the token. A `DELETE` of the same path takes it away.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Router};
use gamemesh_domain::Error;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::auth::{Permit, bearer};
use crate::clock::Clock;
use crate::error::to_http;
use crate::http_route::{Access, HttpRoutes};
use crate::methods::Class;

const PATH: &str = "/api/v1/stream-cookie";

const NAME: &str = "gamemesh-stream";

/// One cookie serves the streams of all services. Browsers take `localhost` for secure.
const ATTRIBUTES: &str = "Path=/api/; HttpOnly; Secure; SameSite=Strict";

/// The routes that give the cookie and take it away.
pub fn routes(clock: Clock) -> HttpRoutes {
    let router = Router::new().route(PATH, post(give).delete(take_away)).with_state(clock);
    HttpRoutes { access: Access::any_role().class(Class::Read), router }
}

async fn give(
    State(clock): State<Clock>,
    Extension(permit): Extension<Permit>,
    headers: HeaderMap,
) -> Response {
    // Where no token is asked for, streams need none either.
    let token = headers.get(header::AUTHORIZATION).and_then(bearer);
    let (Some(token), Some(until)) = (token, permit.valid_until_seconds()) else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let seconds = until.saturating_sub(clock.now_seconds()).max(0);
    answer(&format!("{NAME}={token}; Max-Age={seconds}; {ATTRIBUTES}"))
}

async fn take_away() -> Response {
    answer(&format!("{NAME}=; Max-Age=0; {ATTRIBUTES}"))
}

fn answer(cookie: &str) -> Response {
    match HeaderValue::try_from(cookie) {
        Ok(mut value) => {
            value.set_sensitive(true);
            (StatusCode::NO_CONTENT, [(header::SET_COOKIE, value)]).into_response()
        }
        Err(error) => to_http(&Error::internal(error)),
    }
}

/// Puts the cookie's token where other callers send theirs, if the request is one that it counts for.
pub fn authorize(method: &Method, headers: &mut HeaderMap) {
    if *method != Method::GET
        || headers.contains_key(header::AUTHORIZATION)
        || !accepts_events(headers)
    {
        return;
    }
    if let Some(token) = cookie(headers)
        && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {token}"))
    {
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|text| text.split(',')).any(|kind| {
        let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind);
        kind.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// Two cookies of the name are none: one of them may have been set by somebody else.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == NAME)
        .map(|(_, token)| token);
    let token = found.next()?;
    found.next().is_none().then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorized(method: &Method, sent: &[(&'static str, &'static str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_static(value));
        }
        authorize(method, &mut headers);
        headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_cookie_counts_for_streams_of_events_alone() {
        let events = ("accept", "text/event-stream");
        let cookie = ("cookie", "theme=dark; gamemesh-stream=a.b.c");
        let bearer = Some("Bearer a.b.c".to_owned());
        assert_eq!(authorized(&Method::GET, &[events, cookie]), bearer);
        let several = ("accept", "application/json;q=0.1, Text/Event-Stream;q=0.9");
        assert_eq!(authorized(&Method::GET, &[several, cookie]), bearer);
        assert_eq!(authorized(&Method::POST, &[events, cookie]), None);
        assert_eq!(authorized(&Method::GET, &[("accept", "*/*"), cookie]), None);
        assert_eq!(authorized(&Method::GET, &[cookie]), None);
        assert_eq!(authorized(&Method::GET, &[events]), None);
        assert_eq!(authorized(&Method::GET, &[events, ("cookie", "gamemesh-streams=a")]), None);
    }

    #[test]
    fn a_header_counts_before_the_cookie_and_two_cookies_are_none() {
        let events = ("accept", "text/event-stream");
        let cookie = ("cookie", "gamemesh-stream=a.b.c");
        let header = ("authorization", "Bearer x");
        let both = authorized(&Method::GET, &[events, cookie, header]);
        assert_eq!(both.as_deref(), Some("Bearer x"));
        let other = ("cookie", "gamemesh-stream=d.e.f");
        assert_eq!(authorized(&Method::GET, &[events, cookie, other]), None);
    }
}
