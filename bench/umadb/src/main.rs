//! Conditional appends by 64 clients: gamemesh against UmaDB's server, in turns.

mod load;
mod servers;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::servers::Server;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, file, address] = &arguments[..]
        && command == "serve"
    {
        return servers::serve_umadb(file, address).await;
    }
    let number = |name: &str, otherwise: u64| -> Result<u64> {
        Ok(std::env::var(name).ok().map(|text| text.parse()).transpose()?.unwrap_or(otherwise))
    };
    let (pairs, seconds) = (number("PAIRS", 5)?, number("TURN_SECONDS", 3)?);
    let duration = Duration::from_secs(seconds);
    let folder = tempfile::tempdir()?;
    let umadb = Server::umadb(folder.path()).await?;
    let gamemesh = Server::gamemesh(folder.path()).await?;
    let mut ratios = Vec::new();
    println!("{:>12} {:>12} {:>7}", "UmaDB /s", "gamemesh /s", "ratio");
    // Told by the clock, so that the entities of a turn are new to a store that has seen earlier runs.
    let first = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for turn in first..first + pairs {
        let theirs = load::umadb(&umadb.url(), turn, duration).await?;
        let ours = load::gamemesh(&gamemesh.url(), turn, duration).await?;
        println!("{theirs:>12.0} {ours:>12.0} {:>7.2}", ours / theirs);
        ratios.push(ours / theirs);
    }
    ratios.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (ratios.first(), ratios.last()) {
        let median = ratios[ratios.len() / 2];
        println!("median ratio {median:.2} ({least:.2} to {most:.2})");
    }
    Ok(())
}
