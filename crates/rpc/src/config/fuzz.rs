//! Values from anywhere: every key takes any text for a value or refuses it, with a reason and without
//! showing what is secret. The same numbers come in each run.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::*;

/// What is in the values of secrets, and nowhere else.
const SENTINEL: &str = "s3nt1nel";

/// Values for each key, made of others by chance.
const VALUES_PER_KEY: usize = 100;

/// What values are made of: such as are taken somewhere, and what parsers stumble over.
const PARTS: [&str; 40] = [
    "production",
    "all",
    "state,combat",
    "0.0.0.0:8080",
    ":8080",
    "[::1]:1",
    "localhost:80",
    "host:65536",
    "5m",
    "1h30m",
    "-1s",
    "99999999999y",
    "64KiB",
    "18446744073709551616",
    "4GiB",
    "0",
    "-0",
    "1e9",
    "NaN",
    "0.5",
    "on",
    "required",
    "info,sqlx=warn",
    "=trace",
    "spiffe://a/b=admin",
    "spiffe://=",
    "http://h:1/p",
    "https://",
    "rediss://u:p@h:1/0?cluster=a:1,b:2",
    "redis://",
    "postgres://u:p@h/d?x=y",
    "sqlite:",
    "2026-01-01",
    "2026-02-30",
    "\u{0}",
    "\u{10ffff}",
    "\r\n",
    ",",
    "%",
    "\"",
];

fn text(random: &mut StdRng) -> String {
    let parts = random.random_range(1..4);
    let mut text: Vec<char> = (0..parts)
        .flat_map(|_| PARTS.choose(random).copied().unwrap_or_default().chars().collect::<Vec<_>>())
        .collect();
    for _ in 0..random.random_range(0..3) {
        let at = random.random_range(0..=text.len());
        match random.random_range(0..3) {
            0 => text.insert(at, random.random()),
            1 if at < text.len() => drop(text.remove(at)),
            _ => text.truncate(at),
        }
    }
    text.into_iter().collect()
}

#[test]
fn any_text_is_a_value_or_a_refusal_that_shows_no_secret() {
    let mut random = StdRng::seed_from_u64(18);
    let (mut taken, mut refused) = (0, 0);
    for key in KEYS {
        for _ in 0..VALUES_PER_KEY {
            let mut value = text(&mut random);
            if key.secret {
                value.push_str(SENTINEL);
            }
            let args = ServerArgs::default().with(key.name, value.clone());
            let Err(ConfigErrors(errors)) = ServerConfig::resolve(&args, |_| None, None) else {
                taken += 1;
                continue;
            };
            refused += 1;
            assert!(!errors.is_empty(), "{}: {value:?}", key.name);
            let shown = format!("{errors:?} {}", ConfigErrors(errors.clone()));
            assert!(!shown.contains(SENTINEL), "{}: {value:?}: {shown}", key.name);
        }
    }
    assert!(taken > 500 && refused > 500, "{taken} taken, {refused} refused");
}
