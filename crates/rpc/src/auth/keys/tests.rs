use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, header};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::refresh::Pauses;
use super::*;
use crate::auth::{Authenticator, Permit};
use crate::clock::Clock;
use crate::config::{Environment, Secret};

const NOW_SECONDS: i64 = 1_700_000_000;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_der(include_bytes!("fixtures/rsa.der"))
}

fn ec() -> EncodingKey {
    EncodingKey::from_ec_der(include_bytes!("fixtures/ec.der"))
}

fn ed() -> EncodingKey {
    EncodingKey::from_ed_der(include_bytes!("fixtures/ed.der"))
}

fn public(key: &EncodingKey, algorithm: Algorithm, id: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

fn all_keys() -> Value {
    json!({"keys": [
        public(&rsa(), Algorithm::RS256, "rsa"),
        public(&ec(), Algorithm::ES256, "ec"),
        public(&ed(), Algorithm::EdDSA, "ed"),
    ]})
}

fn token(header: &Header, key: &EncodingKey) -> String {
    let claims = json!({"sub": "server-1", "role": "game-server", "exp": NOW_SECONDS + 600});
    jsonwebtoken::encode(header, &claims, key).unwrap()
}

fn header_of(algorithm: Algorithm, id: Option<&str>) -> Header {
    Header { kid: id.map(ToOwned::to_owned), ..Header::new(algorithm) }
}

fn call(authenticator: &Authenticator, token: &str) -> Result<Permit, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    authenticator.authenticate(&headers)
}

fn authenticator(config: &AuthConfig) -> Authenticator {
    let clock = Clock::manual(NOW_SECONDS * 1_000_000);
    Authenticator::new(config, Environment::Production, clock).unwrap()
}

/// A key set in a file of its own.
fn file(keys: &Value) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, keys.to_string()).unwrap();
    (folder, path)
}

#[test]
fn each_algorithm_verifies_with_its_own_key_and_no_other() {
    let (_folder, path) = file(&all_keys());
    let jwks = Some(JwksSource::File(path));
    let config = AuthConfig { jwks, ..AuthConfig::default() };
    let authenticator = authenticator(&config);
    for (algorithm, id, key) in [
        (Algorithm::RS256, "rsa", rsa()),
        (Algorithm::ES256, "ec", ec()),
        (Algorithm::EdDSA, "ed", ed()),
    ] {
        // There is one key of each algorithm, so its id may be left out.
        for named in [Some(id), None] {
            let permit = call(&authenticator, &token(&header_of(algorithm, named), &key)).unwrap();
            assert_eq!(&*permit.principal().subject, "server-1");
        }
        for wrong in ["other", "", if id == "rsa" { "ec" } else { "rsa" }] {
            let named = token(&header_of(algorithm, Some(wrong)), &key);
            let error = call(&authenticator, &named).unwrap_err();
            assert!(error.message.contains("known key"), "{wrong}: {}", error.message);
        }
    }
    // PS256 is RSA too, and not what the key is for.
    let other_padding = token(&header_of(Algorithm::PS256, Some("rsa")), &rsa());
    assert!(call(&authenticator, &other_padding).is_err());
}

#[test]
fn a_public_key_is_no_secret() {
    let keys = all_keys();
    let (_folder, path) = file(&keys);
    let jwks = Some(JwksSource::File(path.clone()));
    let only_public = AuthConfig { jwks: jwks.clone(), ..AuthConfig::default() };
    let secret = Some(Secret::new(SECRET));
    let both = AuthConfig { jwks, jwt_secret: secret, ..AuthConfig::default() };
    let modulus = keys["keys"][0]["n"].as_str().unwrap();
    let guesses = [
        std::fs::read(&path).unwrap(),
        keys["keys"][0].to_string().into_bytes(),
        modulus.as_bytes().to_vec(),
        BASE64.decode(modulus).unwrap(),
    ];
    for config in [only_public, both] {
        let authenticator = authenticator(&config);
        for guess in &guesses {
            for id in [Some("rsa"), None] {
                let header = header_of(Algorithm::HS256, id);
                let forged = token(&header, &EncodingKey::from_secret(guess));
                let error = call(&authenticator, &forged).unwrap_err();
                assert!(error.message.contains("known key"), "{}", error.message);
            }
        }
    }
}

#[test]
fn a_critical_extension_is_refused() {
    let secret = Some(Secret::new(SECRET));
    let authenticator = authenticator(&AuthConfig { jwt_secret: secret, ..AuthConfig::default() });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let plain = Header::new(Algorithm::HS256);
    assert!(call(&authenticator, &token(&plain, &key)).is_ok());
    for names in [vec!["b64".to_owned()], vec![]] {
        let critical = Header { crit: Some(names), ..Header::new(Algorithm::HS256) };
        let error = call(&authenticator, &token(&critical, &key)).unwrap_err();
        assert!(error.message.contains("critical"), "{}", error.message);
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_is_read_again_and_a_broken_one_is_not_believed() {
    let (_folder, path) = file(&json!({"keys": [public(&ed(), Algorithm::EdDSA, "old")]}));
    let config = AuthConfig { jwks: Some(JwksSource::File(path.clone())), ..AuthConfig::default() };
    let keys = Keys::new(&config).unwrap();
    let pauses = Pauses { file: Duration::from_millis(5), ..Pauses::default() };
    let refresh = JwksRefresh::new(keys.clone(), JwksSource::File(path.clone()), pauses);
    let stop = CancellationToken::new();
    let refreshed = tokio::spawn(refresh.run(stop.clone()));

    std::fs::write(&path, "{\"keys\": [").unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(keys.find(Algorithm::EdDSA, Some("old")).is_some());
    std::fs::write(&path, all_keys().to_string()).unwrap();
    while keys.find(Algorithm::RS256, Some("rsa")).is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(keys.find(Algorithm::EdDSA, Some("old")).is_none());
    stop.cancel();
    refreshed.await.unwrap();
}

#[tokio::test]
async fn a_url_is_asked_for_an_unknown_key_but_not_more_often_than_stated() {
    static FETCHES: AtomicUsize = AtomicUsize::new(0);
    let router = Router::new().route(
        "/jwks.json",
        get(|| async {
            // The first answer has one key, later ones have all.
            let first = FETCHES.fetch_add(1, Ordering::Relaxed) == 0;
            let one = json!({"keys": [public(&ed(), Algorithm::EdDSA, "ed")]});
            if first { one.to_string() } else { all_keys().to_string() }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, router).into_future());

    let source = JwksSource::Url(url.parse().unwrap());
    let config = AuthConfig { jwks: Some(source.clone()), ..AuthConfig::default() };
    let keys = Keys::new(&config).unwrap();
    assert!(keys.require_public().is_err(), "ready before there is a key");
    let pauses = Pauses { unknown_key: Duration::from_millis(300), ..Pauses::default() };
    let stop = CancellationToken::new();
    let refreshed = tokio::spawn(JwksRefresh::new(keys.clone(), source, pauses).run(stop.clone()));
    while keys.require_public().is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(FETCHES.load(Ordering::Relaxed), 1);
    while keys.find(Algorithm::RS256, Some("rsa")).is_none() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(FETCHES.load(Ordering::Relaxed), 2);
    // A flood of forged ids: one more fetch in the time that is stated.
    for forged in 0..1_000 {
        assert!(keys.find(Algorithm::RS256, Some(&forged.to_string())).is_none());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(FETCHES.load(Ordering::Relaxed), 2);
    stop.cancel();
    refreshed.await.unwrap();
    server.abort();
}
