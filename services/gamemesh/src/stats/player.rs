//! `gamemesh stats player`.

use clap::Args;
use gamemesh_client::{StatsClient, stats_v1 as v1};

use super::{failed, json, number, players};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct PlayerArgs {
    /// The player
    #[arg(value_name = "PLAYER")]
    id: String,
    /// In this match only
    #[arg(long = "match", value_name = "MATCH", conflicts_with = "window")]
    of: Option<String>,
    /// all, season, week, day, or one by its name, such as 2026-W01
    #[arg(long, default_value = "all")]
    window: String,
}

pub(crate) async fn run(client: &StatsClient, args: PlayerArgs, out: Output) -> Outcome {
    if let Some(match_id) = args.of {
        let request =
            v1::GetMatchPlayerRequest { match_id, player_id: args.id, ..Default::default() };
        let answer = client.calls().get_match_player(request).await.map_err(failed)?.into_inner();
        let player = answer.player.unwrap_or_default();
        out.answer(&json("PlayerStats", &player), || {
            let weapons = table(
                ["weapon", "kills", "headshots", "damage", "shots", "hits"],
                player.weapons.iter().map(|w| {
                    [
                        w.weapon.clone(),
                        w.kills.to_string(),
                        w.headshot_kills.to_string(),
                        number(w.damage),
                        w.shots_fired.to_string(),
                        w.shots_hit.to_string(),
                    ]
                }),
            );
            format!("{}\n\n{weapons}", players(std::slice::from_ref(&player)))
        })?;
        return Ok(Exit::Done);
    }
    let request = v1::GetPlayerRequest { player_id: args.id, window: args.window };
    let answer = client.calls().get_player(request).await.map_err(failed)?.into_inner();
    out.answer(&json("GetPlayerResponse", &answer), || {
        let shown = players(answer.player.as_slice());
        let rating = answer.rating.as_ref().map_or_else(String::new, |rating| {
            format!(
                "\n\nrating {} ± {}, rank {}",
                number(rating.rating),
                number(rating.deviation),
                rating.rank
            )
        });
        format!("{shown}\n\n{} matches in {}{rating}", answer.match_ids.len(), answer.window)
    })?;
    Ok(Exit::Done)
}
