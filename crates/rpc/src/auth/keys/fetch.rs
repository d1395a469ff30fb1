//! One GET of a key set.

use std::time::Duration;

use axum::body::Body;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::PublicKeys;
use super::jwks::JWKS_BYTES_MAX;
use crate::tls;

/// From the connection to the last byte.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches a key set over HTTP or HTTPS. A redirection is an error: who names the keys names their place.
pub(super) async fn fetch(uri: &Uri) -> Result<PublicKeys, String> {
    let fetched = tokio::time::timeout(FETCH_TIMEOUT, get(uri));
    let text = fetched.await.map_err(|_| format!("no answer within {FETCH_TIMEOUT:?}"))??;
    PublicKeys::parse(&text)
}

async fn get(uri: &Uri) -> Result<Vec<u8>, String> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::public_client().map_err(|error| error.to_string())?)
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::get(uri)
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let response = client.request(request).await.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(format!("it answered {}", response.status()));
    }
    let body = Limited::new(response.into_body(), JWKS_BYTES_MAX);
    let body = body.collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes().to_vec())
}
