//! Bearer tokens from anywhere: whatever is changed in a good one, it is refused, and nothing ends the
//! process. The same numbers come in each run.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;
use crate::config::Secret;

const ROUNDS: usize = 20_000;

/// The same with a few changes: characters, whole parts, lengths.
fn changed(random: &mut StdRng, token: &str) -> String {
    let mut text: Vec<char> = token.chars().collect();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..text.len().max(1));
        match random.random_range(0..6) {
            0 => text.insert(at.min(text.len()), random.random_range('!'..'~')),
            1 if at < text.len() => drop(text.remove(at)),
            2 if at < text.len() => text[at] = random.random(),
            3 => text.truncate(at),
            4 if at < text.len() => text.rotate_left(at),
            _ => text.extend(token.chars().skip(at)),
        }
    }
    text.into_iter().collect()
}

#[test]
fn no_change_of_a_token_is_taken() {
    let secret = Secret::new("0123456789abcdef0123456789abcdef");
    let config = AuthConfig { jwt_secret: Some(secret.clone()), ..AuthConfig::default() };
    let clock = Clock::manual(1_700_000_000_000_000);
    let authenticator =
        Authenticator::new(&config, Environment::Production, clock.clone()).unwrap();
    let grant = Grant {
        subject: "ann".to_owned(),
        role: Role::Player,
        player_id: None,
        lifetime: Duration::from_secs(60),
    };
    let token = issue(&secret, &grant, &config, &clock).unwrap();
    assert!(authenticator.verify(&token).is_ok());
    let mut random = StdRng::seed_from_u64(18);
    for _ in 0..ROUNDS {
        let other = changed(&mut random, &token);
        let verified = authenticator.verify(&other);
        assert!(verified.is_err() || other == token, "{other}");
        // As a header, too, where it can be one.
        let Ok(value) = http::HeaderValue::from_str(&format!("Bearer {other}")) else { continue };
        let headers = [(header::AUTHORIZATION, value)].into_iter().collect();
        assert!(authenticator.authenticate(&headers).is_err() || other.trim() == token, "{other}");
    }
}
