//! Judging a log again: whether its commands come to what it says that they came to.

use super::command::{Command, Move};
use super::content::CheckedContent;
use super::event::{End, EndReason, Event, Record};
use super::ids::{TeamNo, Tick};
use super::session::Session;
use crate::{Code, Error, Result};

/// Where a log and its rules part.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The number of the record and its tick.
    pub number: u64,
    pub tick: Tick,
    /// The first field that differs, as a path, with what is recorded and what the rules say.
    pub field: String,
    pub recorded: String,
    pub judged: String,
}

impl Record {
    /// The command that a record is the first consequence of. None for what only follows from another
    /// record, such as damage. `before` is the session at that time.
    pub fn command(&self, before: &Session) -> Option<Command> {
        let command = match &self.event {
            Event::Updated { name, max_players } => {
                Command::Update { name: name.clone(), max_players: *max_players }
            }
            Event::Started => Command::Start,
            Event::Paused => Command::Pause,
            Event::Resumed => Command::Resume,
            Event::Ended(End { why: EndReason::Asked, .. }) => Command::End { empty: false },
            Event::Ended(End { why: EndReason::Empty, .. }) => Command::End { empty: true },
            Event::Aborted { why } => Command::Abort { why: why.clone() },
            Event::Joined { player_id, team, .. } => {
                let team = Some(*team).filter(|team| *team != TeamNo(0));
                Command::Join { player_id: player_id.clone(), team }
            }
            Event::Left { player, why } => Command::Leave { player: *player, why: *why },
            Event::TeamChanged { player, team } => {
                Command::ChangeTeam { player: *player, team: *team }
            }
            Event::Spawned(spawned) => Command::Respawn { player: spawned.player },
            Event::Moved(moved) => Command::Move(moved.input),
            // Only its time was looked at.
            Event::MoveStale { player, client_us } => {
                let pose = before.player(*player)?.pose;
                let (player, client_us, position) = (*player, *client_us, pose.position);
                Command::Move(Move { player, client_us, position, ..Move::default() })
            }
            Event::Corrected(corrected) => Command::Move(corrected.input),
            Event::Teleported { player, position, look, .. } => {
                Command::Teleport { player: *player, position: *position, look: *look }
            }
            Event::Fired(fired) => Command::Shoot(fired.input),
            Event::ShotRefused(refused) => Command::Shoot(refused.input),
            Event::Switched { player, slot, .. } => {
                Command::Switch { player: *player, slot: *slot }
            }
            Event::ReloadStarted { player, .. } => Command::Reload { player: *player },
            Event::Acted(acted) => Command::Act(acted.input),
            Event::ActionRefused(refused) => Command::Act(refused.input),
            Event::Ticked { .. } => Command::Tick,
            _ => return None,
        };
        Some(command)
    }
}

impl Session {
    /// Judges the commands behind `records` again, which follow upon this session, and folds them. The
    /// number of records that came out as they are recorded, or the first difference; the session is
    /// then as it was judged, for comparison.
    ///
    /// The last command's records must all be there: a log is cut between commands.
    pub fn verify(
        &mut self,
        content: &CheckedContent,
        records: &[Record],
    ) -> Result<usize, Box<Difference>> {
        if self.created.content != content.hash() {
            return Err(Box::new(Difference {
                number: 1,
                tick: Tick(0),
                field: "content".to_owned(),
                recorded: self.created.content.to_string(),
                judged: content.hash().to_string(),
            }));
        }
        let mut at = 0;
        while let Some(first) = records.get(at) {
            let Some(command) = first.command(self) else {
                return Err(difference(first, "event", first.event.kind(), "no command"));
            };
            let judged = self.execute(content, &command, first.at_us).records;
            for (offset, judged) in judged.iter().enumerate() {
                match records.get(at + offset) {
                    Some(recorded) if recorded == judged => {}
                    Some(recorded) => return Err(between(recorded, judged)),
                    None => {
                        return Err(difference(judged, "event", "nothing", judged.event.kind()));
                    }
                }
            }
            if judged.is_empty() {
                return Err(difference(first, "event", first.event.kind(), "nothing"));
            }
            at += judged.len();
        }
        Ok(at)
    }

    /// The first field in which two sessions differ, as a path, and both values.
    pub fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        if self == other { None } else { first_difference(self, other) }
    }
}

impl From<Difference> for Error {
    fn from(difference: Difference) -> Self {
        let Difference { number, tick, field, recorded, judged } = difference;
        let what =
            format!("record {number} at tick {tick}: {field} is {recorded}, judged {judged}");
        Self::new(Code::DataCorrupted, what).with_fact("record", number).with_fact("tick", tick)
    }
}

fn between(recorded: &Record, judged: &Record) -> Box<Difference> {
    let (field, one, two) = first_difference(recorded, judged).unwrap_or_default();
    difference(recorded, &field, &one, &two)
}

fn difference(at: &Record, field: &str, recorded: &str, judged: &str) -> Box<Difference> {
    Box::new(Difference {
        number: at.number,
        tick: at.tick,
        field: field.to_owned(),
        recorded: recorded.to_owned(),
        judged: judged.to_owned(),
    })
}

/// Compares two values by their printed form, in which every field has a line of its own and lies
/// deeper than what it belongs to.
fn first_difference<T: std::fmt::Debug>(one: &T, two: &T) -> Option<(String, String, String)> {
    let (one, two) = (format!("{one:#?}"), format!("{two:#?}"));
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut places: Vec<usize> = vec![0];
    let mut lines = one.lines().zip(two.lines());
    let (left, right) = lines.find(|(left, right)| {
        let depth = left.len() - left.trim_start().len();
        path.retain(|(above, _)| *above < depth);
        places.resize(depth / 4 + 1, 0);
        let text = left.trim();
        if left == right && text.ends_with(['{', '(', '[']) {
            let name = match text.split_once(": ") {
                Some((name, _)) => name.to_owned(),
                None => {
                    places.get(depth / 4).map_or_else(String::new, |place| format!("[{place}]"))
                }
            };
            path.push((depth, name));
        }
        if text.ends_with("},") || text.ends_with("),") {
            places[depth / 4] += 1;
        }
        left != right
    })?;
    let name = left.trim().split_once(": ").map_or("", |(name, _)| name);
    let names = path.iter().skip(1).map(|(_, name)| name.as_str()).chain([name]);
    let path: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    let value = |line: &str| {
        let line = line.trim().trim_end_matches([',', '{', '(']).trim_end();
        line.split_once(": ").map_or(line, |(_, value)| value).to_owned()
    };
    Some((path.join(".").replace(".[", "["), value(left), value(right)))
}
