//! Values from anywhere: every key takes any text for a value or refuses it, by its name and without
//! showing what is secret. The same numbers come in each run.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::*;

/// Values for each key, made of others by chance.
const VALUES_PER_KEY: usize = 400;

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
fn any_text_is_a_value_or_a_refusal_that_names_its_key() {
    let mut random = StdRng::seed_from_u64(18);
    let (mut taken, mut refused) = (0, 0);
    for key in KEYS {
        let names =
            [format!("--{}", key.name)].into_iter().chain(key.env.iter().map(|n| (*n).to_owned()));
        let names: Vec<String> = names.collect();
        for _ in 0..VALUES_PER_KEY {
            let value = text(&mut random);
            let args = ServerArgs::default().with(key.name, value.clone());
            let Err(ConfigErrors(errors)) = ServerConfig::resolve(&args, |_| None, None) else {
                taken += 1;
                continue;
            };
            refused += 1;
            let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
            // Other keys may have to go with it, and say so.
            assert!(!shown.is_empty() && shown.iter().all(|line| !line.is_empty()), "{value:?}");
            let own = shown.iter().find(|line| names.iter().any(|name| line.starts_with(name)));
            let hidden = key.secret && value.len() > 6;
            assert!(!hidden || own.is_none_or(|line| !line.contains(&value)), "{value:?}: {own:?}");
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
}
