//! `gamemesh stats ratings`.

use clap::Args;
use gamemesh_client::{StatsClient, stats_v1 as v1};

use super::{failed, json, number};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct RatingsArgs {
    /// Only this player
    #[arg(value_name = "PLAYER")]
    player: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 10)]
    limit: i32,
}

pub(crate) async fn run(client: &StatsClient, args: RatingsArgs, out: Output) -> Outcome {
    if let Some(player_id) = args.player {
        let request = v1::GetRatingRequest { player_id };
        let answer = client.calls().get_rating(request).await.map_err(failed)?.into_inner();
        let rating = answer.rating.unwrap_or_default();
        out.answer(&json("Rating", &rating), || shown(std::slice::from_ref(&rating)))?;
        return Ok(Exit::Done);
    }
    let request = v1::ListRatingsRequest { limit: args.limit, ..Default::default() };
    let answer = client.calls().list_ratings(request).await.map_err(failed)?.into_inner();
    out.answer(&json("ListRatingsResponse", &answer), || shown(&answer.ratings))?;
    Ok(Exit::Done)
}

fn shown(ratings: &[v1::Rating]) -> String {
    table(
        ["rank", "player", "rating", "deviation", "volatility", "mu", "sigma", "matches"],
        ratings.iter().map(|r| {
            [
                r.rank.to_string(),
                r.player_id.clone(),
                number(r.rating),
                number(r.deviation),
                format!("{:.5}", r.volatility),
                number(r.mu),
                number(r.sigma),
                r.matches.to_string(),
            ]
        }),
    )
}
