//! `gamemesh combat watch`: a session as a picture of characters.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use clap::Args;
use gamemesh_contracts::combat::v1 as pb;

use super::{Service, line, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

/// Size of the picture, in characters.
const WIDTH: usize = 72;
const HEIGHT: usize = 24;

/// Events below the picture.
const EVENTS: usize = 6;

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Id of the session
    session: String,
    /// Only events that concern this player
    #[arg(long, default_value = "", hide_default_value = true)]
    follow: String,
    /// End after so many frames
    #[arg(long)]
    frames: Option<u64>,
}

/// What a spectator knows.
#[derive(Default)]
struct Seen {
    players: BTreeMap<u32, pb::Entity>,
    events: Vec<String>,
    tick: u32,
}

pub(super) async fn run(mut service: Service, args: WatchArgs, out: Output) -> Outcome {
    let request = pb::WatchSessionRequest {
        session_id: args.session,
        follow_player_id: args.follow,
        ..pb::WatchSessionRequest::default()
    };
    let mut watch = service.watch_session(request).await.map_err(refused)?.into_inner();
    let (mut seen, mut left) = (Seen::default(), args.frames.unwrap_or(u64::MAX));
    let draws = !out.is_json() && std::io::stdout().is_terminal();
    while left > 0 {
        let message = tokio::select! {
            message = watch.message() => message.map_err(refused)?,
            _ = tokio::signal::ctrl_c() => break,
        };
        let Some(message) = message else { break };
        left -= 1;
        if out.is_json() {
            out.text(&shown("WatchSessionResponse", &message).to_string())?;
            continue;
        }
        let frame = message.frame.unwrap_or_default();
        let lines: Vec<String> =
            frame.events.iter().map(|event| line(&shown("CombatEvent", event))).collect();
        if draws {
            seen.take(frame, lines);
            out.text(&format!("\x1b[H\x1b[2J{}", seen.picture()))?;
        } else {
            lines.iter().try_for_each(|line| out.text(line))?;
        }
    }
    Ok(Exit::Done)
}

impl Seen {
    fn take(&mut self, frame: pb::ServerFrame, lines: Vec<String>) {
        self.tick = frame.tick;
        self.events.extend(lines);
        let surplus = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..surplus);
        let Some(snapshot) = frame.snapshot else { return };
        if snapshot.baseline.is_none() {
            self.players.clear();
        }
        for seat in &snapshot.removed {
            self.players.remove(seat);
        }
        for new in snapshot.entities {
            let known = self.players.entry(new.seat).or_default();
            known.position = new.position.or(known.position);
            known.health = new.health.or(known.health);
            known.alive = new.alive.or(known.alive);
            known.kills = new.kills.or(known.kills);
            known.deaths = new.deaths.or(known.deaths);
            if !new.player_id.is_empty() {
                known.player_id = new.player_id;
            }
        }
    }

    fn picture(&self) -> String {
        let places = self.players.values().filter_map(|player| player.position.as_ref());
        let reach = places.flat_map(|place| [place.x.abs(), place.y.abs()]).max().unwrap_or(0);
        let reach = reach.max(20 * 1_024);
        let cell = |at: i32, cells: usize| {
            let share = f64::from(at + reach) / f64::from(2 * reach);
            ((share * (cells - 1) as f64).round() as usize).min(cells - 1)
        };
        let mut rows = vec![vec![' '; WIDTH]; HEIGHT];
        let mut list = Vec::new();
        for (seat, player) in &self.players {
            let mark = char::from_digit(seat % 36, 36).unwrap_or('?');
            let alive = player.alive.unwrap_or(false);
            if let Some(place) = &player.position {
                let row = HEIGHT - 1 - cell(place.y, HEIGHT);
                rows[row][cell(place.x, WIDTH)] = if alive { mark } else { 'x' };
            }
            list.push(format!(
                "{mark} {:<16} {:>4} health {:>3} kills {:>3} deaths",
                player.player_id,
                player.health.unwrap_or(0),
                player.kills.unwrap_or(0),
                player.deaths.unwrap_or(0)
            ));
        }
        let rows = rows.into_iter().map(|row| row.into_iter().collect::<String>());
        let edge = format!("+{}+", "-".repeat(WIDTH));
        let field: Vec<String> = rows.map(|row| format!("|{row}|")).collect();
        format!(
            "tick {}\n{edge}\n{}\n{edge}\n{}\n{}",
            self.tick,
            field.join("\n"),
            list.join("\n"),
            self.events.join("\n")
        )
    }
}
