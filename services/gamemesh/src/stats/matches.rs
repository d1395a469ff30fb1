//! `gamemesh stats match`.

use clap::Args;
use gamemesh_client::{StatsClient, stats_v1 as v1};

use super::{failed, json, number, players};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};
use crate::time;

#[derive(Debug, Args)]
pub(crate) struct MatchArgs {
    /// The match; without it, the matches that go on
    #[arg(value_name = "MATCH")]
    id: Option<String>,
    /// As it was when it had counted so many events
    #[arg(long, default_value_t = 0)]
    version: i64,
}

pub(crate) async fn run(client: &StatsClient, args: MatchArgs, out: Output) -> Outcome {
    let Some(match_id) = args.id else { return active(client, out).await };
    let request =
        v1::GetMatchRequest { match_id, as_of_version: args.version, ..Default::default() };
    let answer = client.calls().get_match(request).await.map_err(failed)?.into_inner();
    let shown = answer.r#match.unwrap_or_default();
    out.answer(&json("MatchStats", &shown), || describe(&shown))?;
    Ok(Exit::Done)
}

async fn active(client: &StatsClient, out: Output) -> Outcome {
    let request = v1::ListActiveMatchesRequest { limit: 1_000, ..Default::default() };
    let answer = client.calls().list_active_matches(request).await.map_err(failed)?.into_inner();
    out.answer(&json("ListActiveMatchesResponse", &answer), || {
        table(
            ["match", "status", "version", "players", "map", "last event"],
            answer.matches.iter().map(|m| {
                [
                    m.match_id.clone(),
                    status(m.status()),
                    m.version.to_string(),
                    m.players.to_string(),
                    m.map.clone(),
                    time::show(m.last_event_at.as_ref()),
                ]
            }),
        )
    })?;
    Ok(Exit::Done)
}

fn status(status: v1::MatchStatus) -> String {
    status.as_str_name().trim_start_matches("MATCH_STATUS_").to_lowercase()
}

pub(super) fn describe(shown: &v1::MatchStats) -> String {
    let totals = shown.totals.clone().unwrap_or_default();
    let mut lines = vec![
        format!(
            "{} v{} {} {} {}",
            shown.match_id,
            shown.version,
            status(shown.status()),
            shown.map,
            shown.mode
        )
        .trim_end()
        .to_owned(),
    ];
    if !shown.winner.is_empty() {
        lines.push(format!("won by {}", shown.winner));
    }
    lines.push(format!(
        "{} players, {} kills, {} damage, {} rounds",
        totals.players,
        totals.kills,
        number(totals.damage_dealt),
        shown.rounds.len()
    ));
    lines.push(String::new());
    lines.push(players(&shown.players));
    lines.join("\n")
}
