//! Profiles of the running process, in the format that `go tool pprof` opens.
//!
//! `GET /debug/pprof/profile?seconds=30&frequency=99` samples the processor for a while;
//! `GET /debug/pprof/heap` dumps the allocator's sample, when the binary was built with one.

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use gamemesh_domain::{Code, Error};
use http::header;
use pprof::protos::Message as _;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::error::to_http;

const SECONDS_MAX: u64 = 300;
const FREQUENCY_HZ_MAX: i32 = 1000;

/// Dumps the heap profile. The binary installs one when its allocator can sample.
pub type HeapDump = fn() -> Result<Vec<u8>, String>;

/// The signal timer belongs to the whole process: one profile at a time.
static RUNNING: Mutex<()> = Mutex::const_new(());

/// The routes under `/debug/pprof`.
pub fn router(heap: Option<HeapDump>) -> Router {
    Router::new()
        .route("/debug/pprof", get(index))
        .route("/debug/pprof/", get(index))
        .route("/debug/pprof/profile", get(profile))
        .route("/debug/pprof/heap", get(heap_dump))
        .with_state(heap)
}

async fn index() -> Html<&'static str> {
    Html(
        "<!doctype html><title>pprof</title><h1>Profiles</h1><ul>\
         <li><a href=\"/debug/pprof/profile?seconds=10\">profile</a>: processor, \
         <code>?seconds=30&amp;frequency=99</code>\
         <li><a href=\"/debug/pprof/heap\">heap</a>: memory in use</ul>\
         <pre>go tool pprof -top http://HOST/debug/pprof/profile?seconds=10</pre>",
    )
}

#[derive(Debug, Deserialize)]
struct Sampling {
    #[serde(default)]
    seconds: Option<String>,
    #[serde(default)]
    frequency: Option<String>,
}

async fn profile(Query(sampling): Query<Sampling>) -> Response {
    match sample(&sampling).await {
        Ok(bytes) => attachment("profile.pb", bytes),
        Err(error) => to_http(&error),
    }
}

async fn sample(sampling: &Sampling) -> Result<Vec<u8>, Error> {
    let seconds = bounded("seconds", sampling.seconds.as_deref(), 30, &SECONDS_MAX)?;
    let frequency = bounded("frequency", sampling.frequency.as_deref(), 99, &FREQUENCY_HZ_MAX)?;
    let _running = RUNNING.try_lock().map_err(|_| {
        Error::new(Code::Overloaded, "another profile is being taken")
            .with_retry_after(Duration::from_secs(seconds))
    })?;
    let guard = pprof::ProfilerGuardBuilder::default()
        .frequency(frequency)
        // Unwinding from a signal handler within these can deadlock.
        .blocklist(&["libc", "libgcc", "pthread", "vdso"])
        .build()
        .map_err(Error::internal)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // Resolving symbols reads the binary's debug information, which takes a while.
    tokio::task::spawn_blocking(move || {
        let report = guard.report().build().map_err(Error::internal)?;
        Ok(report.pprof().map_err(Error::internal)?.encode_to_vec())
    })
    .await
    .map_err(Error::internal)?
}

fn bounded<T>(name: &str, text: Option<&str>, default: T, max: &T) -> Result<T, Error>
where
    T: std::str::FromStr + PartialOrd + From<u8> + std::fmt::Display,
{
    let Some(text) = text else { return Ok(default) };
    text.parse()
        .ok()
        .filter(|number| *number >= T::from(1) && number <= max)
        .ok_or_else(|| Error::invalid(name, format!("{text:?} is not a number from 1 to {max}")))
}

async fn heap_dump(State(heap): State<Option<HeapDump>>) -> Response {
    let Some(heap) = heap else {
        return to_http(&Error::new(
            Code::Unimplemented,
            "this binary has no sampling allocator: build it with `cargo build --release --features jemalloc`",
        ));
    };
    match tokio::task::spawn_blocking(heap).await {
        Ok(Ok(bytes)) => attachment("heap.pb.gz", bytes),
        Ok(Err(problem)) => to_http(&Error::internal(problem)),
        Err(error) => to_http(&Error::internal(error)),
    }
}

fn attachment(name: &str, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, bytes).into_response()
}
