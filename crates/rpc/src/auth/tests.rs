use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::config::Secret;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW_SECONDS: i64 = 1_700_000_000;

fn config() -> AuthConfig {
    AuthConfig {
        jwt_secret: Some(Secret::new(SECRET)),
        jwt_issuer: Some("issuer".to_owned()),
        jwt_audience: Some("gamemesh".to_owned()),
        ..AuthConfig::default()
    }
}

fn authenticator() -> (Authenticator, Clock) {
    let clock = Clock::manual(NOW_SECONDS * 1_000_000);
    let environment = Environment::Production;
    (Authenticator::new(&config(), environment, clock.clone()).unwrap(), clock)
}

fn claims() -> Value {
    json!({
        "sub": "ann", "role": "player", "iss": "issuer", "aud": "gamemesh",
        "exp": NOW_SECONDS + 600,
    })
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims
}

fn sign(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn good(claims: &Value) -> String {
    sign(Algorithm::HS256, claims, SECRET)
}

/// A token whose header says one thing and whose signature is another's.
fn with_header(header: &Value, token: &str) -> String {
    let rest = token.split_once('.').unwrap().1;
    format!("{}.{rest}", BASE64.encode(header.to_string()))
}

/// A token signed with HS256 over exactly this header: what a forger who knew the key would send.
fn signed_with_header(header: &Value) -> String {
    let body =
        format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims().to_string()));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(body.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{body}.{signature}")
}

fn call(authenticator: &Authenticator, header: &str) -> Result<Permit, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, header.parse().unwrap());
    authenticator.authenticate(&headers)
}

#[test]
fn a_good_token_becomes_a_principal() {
    let (authenticator, _) = authenticator();
    for header in [format!("Bearer {}", good(&claims())), format!("bearer  {}", good(&claims()))] {
        let permit = call(&authenticator, &header).unwrap();
        assert_eq!(&*permit.principal().subject, "ann");
        assert_eq!(permit.principal().role, Role::Player);
        assert_eq!(permit.principal().player_id.as_deref(), Some("ann"));
    }
    let named = good(&changed("player_id", json!("p-1")));
    let permit = call(&authenticator, &format!("Bearer {named}")).unwrap();
    assert_eq!(permit.principal().player_id.as_deref(), Some("p-1"));
    let several = good(&changed("aud", json!(["other", "gamemesh"])));
    assert!(call(&authenticator, &format!("Bearer {several}")).is_ok());
}

#[test]
fn every_attack_is_refused() {
    let (authenticator, _) = authenticator();
    let token = good(&claims());
    let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
    let forged = {
        let (head, rest) = token.split_once('.').unwrap();
        let signature = rest.split_once('.').unwrap().1;
        let body = BASE64.encode(changed("role", json!("admin")).to_string());
        format!("{head}.{body}.{signature}")
    };
    let bearer = |token: String| format!("Bearer {token}");
    let table: Vec<(&str, String, &str)> = vec![
        ("alg none", bearer(with_header(&json!({"alg": "none"}), &unsigned)), "not signed"),
        ("alg None", bearer(with_header(&json!({"alg": "None"}), &unsigned)), "not signed"),
        ("alg none, signed", bearer(signed_with_header(&json!({"alg": "none"}))), "not signed"),
        ("no signature", bearer(unsigned.clone()), "not signed"),
        ("another key", bearer(sign(Algorithm::HS256, &claims(), "x")), "not signed"),
        ("RS256 over an HMAC", bearer(signed_with_header(&json!({"alg": "RS256"}))), "not signed"),
        ("ES256 over an HMAC", bearer(signed_with_header(&json!({"alg": "ES256"}))), "not signed"),
        ("HS512 with our key", bearer(sign(Algorithm::HS512, &claims(), SECRET)), "not signed"),
        ("changed claims", bearer(forged), "not signed"),
        ("expired", bearer(good(&changed("exp", json!(NOW_SECONDS - 31)))), "has expired"),
        ("no expiry", bearer(good(&changed("exp", Value::Null))), "exp"),
        ("expiry as text", bearer(good(&changed("exp", json!("never")))), "claims"),
        ("too early", bearer(good(&changed("nbf", json!(NOW_SECONDS + 31)))), "not valid yet"),
        ("other issuer", bearer(good(&changed("iss", json!("evil")))), "another issuer"),
        ("no issuer", bearer(good(&changed("iss", Value::Null))), "no iss claim"),
        ("other audience", bearer(good(&changed("aud", json!("evil")))), "another audience"),
        ("no audience", bearer(good(&changed("aud", Value::Null))), "no aud claim"),
        ("unknown role", bearer(good(&changed("role", json!("root")))), "is not one of player"),
        ("no role", bearer(good(&changed("role", Value::Null))), "claims"),
        ("empty subject", bearer(good(&changed("sub", json!("")))), "no subject"),
        ("garbage", bearer("garbage".to_owned()), "not a JSON Web Token"),
        ("endless", bearer("x".repeat(9000)), "longer than 8192 bytes"),
        ("basic", "Basic YTpi".to_owned(), "not `Bearer <token>`"),
        ("bare token", good(&claims()), "not `Bearer <token>`"),
    ];
    for (attack, header, expected) in table {
        let error = call(&authenticator, &header).expect_err(attack);
        assert_eq!(error.code, Code::Unauthenticated, "{attack}");
        assert!(error.message.contains(expected), "{attack}: {}", error.message);
    }
    let error = authenticator.authenticate(&HeaderMap::new()).unwrap_err();
    assert_eq!(error.code, Code::Unauthenticated);
}

#[test]
fn a_remembered_token_expires_too() {
    let (authenticator, clock) = authenticator();
    let header = format!("Bearer {}", good(&claims()));
    assert!(call(&authenticator, &header).is_ok());
    clock.advance(Duration::from_secs(629));
    assert!(call(&authenticator, &header).is_ok(), "within the leeway");
    clock.advance(Duration::from_secs(1));
    let error = call(&authenticator, &header).unwrap_err();
    assert!(error.message.contains("expired"), "{}", error.message);
}

#[test]
fn what_is_issued_is_accepted() {
    let (authenticator, clock) = authenticator();
    let grant = Grant {
        subject: "server-1".to_owned(),
        role: Role::GameServer,
        player_id: None,
        lifetime: Duration::from_secs(60),
    };
    let token = issue(&Secret::new(SECRET), &grant, &config(), &clock).unwrap();
    let permit = call(&authenticator, &format!("Bearer {token}")).unwrap();
    assert_eq!(permit.principal().role, Role::GameServer);
}

#[test]
fn without_a_secret_only_development_starts() {
    let open = AuthConfig::default();
    for environment in [Environment::Staging, Environment::Production] {
        assert!(Authenticator::new(&open, environment, Clock::system()).is_err());
    }
    let development = Authenticator::new(&open, Environment::Development, Clock::system()).unwrap();
    assert!(!development.is_enforced());
    let permit = development.authenticate(&HeaderMap::new()).unwrap();
    assert_eq!(&*permit.principal().subject, "anonymous");
    assert!(permit.require_any(&[]).is_ok());
}

#[test]
fn roles_reach_what_they_should() {
    let permit = |role, player_id: Option<&str>| {
        let player_id = player_id.map(Arc::from);
        Permit::for_principal(Principal { subject: "someone".into(), role, player_id })
    };
    let table = [
        (Role::Player, Some("ann"), true, false),
        (Role::Player, Some("bob"), false, false),
        (Role::Player, None, false, false),
        (Role::GameServer, None, true, false),
        (Role::Admin, None, true, true),
        (Role::Spectator, Some("ann"), false, false),
        (Role::Analyst, None, false, true),
    ];
    for (role, player_id, acts_for_ann, analyses) in table {
        let permit = permit(role, player_id);
        assert_eq!(permit.require_player("ann").is_ok(), acts_for_ann, "{role:?} {player_id:?}");
        assert_eq!(permit.require_any(&[Role::Analyst]).is_ok(), analyses, "{role:?}");
    }
    let denied = permit(Role::Player, None).require_any(&[Role::Admin]).unwrap_err();
    assert_eq!(denied.code, Code::PermissionDenied);
    assert_eq!(Permit::of(&Extensions::new()).unwrap_err().code, Code::Internal);
}
