//! A match as readers see it: nothing of it changes any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codec::{Writer, digest};
use super::fold::{Bucket, Fold, Player, Round, WeaponFigures};
use super::matches::{End, Names};
use super::rating::{Outcome, Side};
use super::{EventId, Figure, Figures, Kind, Name};

/// Where a match is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Something is heard of it, but not its start.
    Gathering,
    Active,
    Ended,
    /// It ended and counts for nothing.
    Voided,
}

/// A stretch of a match: before its start, from start to end, and after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    pub name: &'static str,
    pub started_us: i64,
    pub ended_us: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct MatchView {
    pub(super) id: Name,
    pub(super) version: u64,
    pub(super) fold: Fold,
    pub(super) players: Arc<Names>,
    pub(super) names: Arc<Names>,
    pub(super) ends: Arc<BTreeMap<EventId, End>>,
}

/// A player of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerView {
    pub id: Name,
    pub team: Option<Name>,
    pub present: bool,
    pub alive: bool,
    /// Kills since the last death.
    pub streak: u64,
    pub figures: Figures,
    /// In the order of their names.
    pub weapons: Vec<(Name, WeaponFigures)>,
}

impl MatchView {
    pub fn id(&self) -> &Name {
        &self.id
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn status(&self) -> Status {
        match self.end() {
            Some(end) if end.voided => Status::Voided,
            Some(_) => Status::Ended,
            None if self.fold.started_us.is_some() => Status::Active,
            None => Status::Gathering,
        }
    }

    fn end(&self) -> Option<&End> {
        let (_, id) = self.fold.end?;
        self.ends.get(&id)
    }

    pub fn map(&self) -> Option<&Name> {
        self.names.get(self.fold.map?)
    }

    pub fn mode(&self) -> Option<&Name> {
        self.names.get(self.fold.mode?)
    }

    pub fn winner(&self) -> Option<&Name> {
        self.end()?.winner.as_ref()
    }

    pub fn is_draw(&self) -> bool {
        self.end().is_some_and(|end| end.draw)
    }

    pub fn started_us(&self) -> Option<i64> {
        self.fold.started_us
    }

    pub fn ended_us(&self) -> Option<i64> {
        self.fold.end.map(|(time_us, _)| time_us)
    }

    /// Times of the first and the last event.
    pub fn span_us(&self) -> Option<(i64, i64)> {
        self.fold.first_us.map(|first_us| (first_us, self.fold.last_us))
    }

    /// The time by which days, weeks and seasons know the match: its start, or its first event.
    pub fn dated_us(&self) -> Option<i64> {
        self.fold.started_us.or(self.fold.first_us)
    }

    /// How many events of a kind were counted.
    pub fn count(&self, kind: Kind) -> u64 {
        self.fold.counts[kind as usize - 1]
    }

    pub fn rounds(&self) -> impl Iterator<Item = (&Round, Option<&Name>)> {
        self.fold.rounds.iter().map(|round| {
            let winner = round.winner.and_then(|winner| self.names.get(winner));
            (&**round, winner)
        })
    }

    /// The minutes in which something happened, in microseconds since the Unix epoch.
    pub fn timeline(&self) -> impl Iterator<Item = (i64, &Bucket)> {
        self.fold.buckets.iter().map(|(minute, bucket)| (minute * 60_000_000, bucket))
    }

    pub fn phases(&self) -> Vec<Phase> {
        let Some((first_us, last_us)) = self.span_us() else { return Vec::new() };
        let (start, end) = (self.started_us(), self.ended_us());
        let live_us = start.unwrap_or(first_us);
        let mut phases = Vec::new();
        if first_us < live_us {
            phases.push(Phase { name: "warmup", started_us: first_us, ended_us: start });
        }
        phases.push(Phase { name: "live", started_us: live_us, ended_us: end });
        if let Some(end_us) = end.filter(|end_us| *end_us < last_us) {
            phases.push(Phase { name: "after", started_us: end_us, ended_us: Some(last_us) });
        }
        phases
    }

    /// In the order of their ids.
    pub fn players(&self) -> Vec<PlayerView> {
        let mut players: Vec<_> =
            (0..self.players.len() as u16).filter_map(|n| self.seen(n)).collect();
        players.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        players
    }

    pub fn player(&self, id: &str) -> Option<PlayerView> {
        self.seen(self.players.find(id)?)
    }

    /// Names only stand in an event: whoever did and suffered nothing yet did not play.
    pub fn players_total(&self) -> usize {
        self.fold.players.iter().filter(|player| player.has_played()).count()
    }

    fn seen(&self, number: u16) -> Option<PlayerView> {
        let player = self.fold.players.get(usize::from(number)).filter(|p| p.has_played())?;
        let mut weapons: Vec<_> = player
            .weapons
            .iter()
            .filter_map(|(weapon, figures)| Some((self.names.get(*weapon)?.clone(), *figures)))
            .collect();
        weapons.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Some(PlayerView {
            id: self.players.get(number)?.clone(),
            team: self.names.get(player.team).cloned(),
            present: player.present,
            alive: player.alive,
            streak: player.streak,
            figures: self.finished(number, player),
            weapons,
        })
    }

    /// A player's figures as they would be if the match ended now: a match without rounds is one round,
    /// and its end says who won.
    fn finished(&self, number: u16, player: &Player) -> Figures {
        let mut figures = player.figures.clone();
        let at_us = player.heard_us().unwrap_or(i64::MIN);
        if !self.fold.has_rounds() {
            figures.add(Figure::RoundsPlayed, 1, at_us);
            figures.add(Figure::RoundsSurvived, player.survives().into(), at_us);
            figures.add(Figure::KastRounds, player.kast().into(), at_us);
            let kills = figures.get(Figure::Kills);
            figures.add(Figure::RoundKills, kills, figures.reached_us(Figure::Kills));
            if let Some((at_us, killer, victim)) = self.fold.first_kill {
                figures.add(Figure::OpeningKills, (killer == number).into(), at_us);
                figures.add(Figure::OpeningDeaths, (victim == number).into(), at_us);
            }
        }
        if let (Some(end), Some(ended_us)) = (self.end(), self.ended_us())
            && end.is_won_by(self.players.get(number), self.names.get(player.team))
        {
            figures.add(Figure::MatchesWon, 1, ended_us);
        }
        figures
    }

    /// All players' figures together.
    pub fn totals(&self) -> Figures {
        let mut totals = Figures::default();
        for player in self.players() {
            totals.merge(&player.figures);
        }
        totals
    }

    /// What skill ratings need to know: who played on which side, and which places they came to. `None`
    /// before the end, for a void match, and where fewer than two sides played.
    pub fn outcome(&self) -> Option<Outcome> {
        let (end, ended_us) = (self.end().filter(|end| !end.voided)?, self.ended_us()?);
        let mut sides: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        for number in 0..self.players.len() as u16 {
            let Some(player) = self.fold.players.get(usize::from(number)) else { continue };
            let Some(id) = self.players.get(number).filter(|_| player.has_played()) else {
                continue;
            };
            let side = self.names.get(player.team).unwrap_or(id);
            sides.entry(side.clone()).or_default().push(id.clone());
        }
        let sides: Vec<_> = sides
            .into_iter()
            .map(|(name, mut players)| {
                players.sort_unstable();
                Side { place: end.place(&name), players }
            })
            .collect();
        let decided = end.draw || sides.iter().any(|side| side.place == 1);
        (sides.len() >= 2 && decided).then(|| Outcome {
            match_id: self.id.clone(),
            ended_us,
            sides,
        })
    }

    /// Everything that is answered of the match, in one order: equal matches have equal bytes.
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.name(Some(&self.id));
        out.u64(self.version);
        out.u64(self.status() as u64);
        out.name(self.map());
        out.name(self.mode());
        out.name(self.winner());
        for time_us in
            [self.started_us(), self.ended_us(), self.dated_us(), Some(self.fold.last_us)]
        {
            out.i64(time_us.unwrap_or(i64::MIN));
        }
        self.fold.counts.iter().for_each(|count| out.u64(*count));
        for (round, winner) in self.rounds() {
            out.u64(round.number.into());
            out.i64(round.started_us);
            out.i64(round.ended_us.unwrap_or(i64::MIN));
            out.name(winner);
            out.u64(round.kills);
            out.u64(round.deaths);
        }
        for (minute_us, bucket) in self.timeline() {
            out.i64(minute_us);
            let Bucket { events, kills, deaths, damage_milli, objectives } = *bucket;
            let numbers = [events, kills, deaths, damage_milli, objectives];
            numbers.into_iter().for_each(|number| out.u64(number));
        }
        for player in self.players() {
            out.name(Some(&player.id));
            out.name(player.team.as_ref());
            out.u64(player.streak << 2 | u64::from(player.present) << 1 | u64::from(player.alive));
            player.figures.put(&mut out, 0);
            for (weapon, w) in &player.weapons {
                out.name(Some(weapon));
                let fired = [w.shots_fired, w.shots_hit, w.headshot_hits];
                [w.kills, w.headshot_kills, w.damage_milli]
                    .into_iter()
                    .chain(fired)
                    .for_each(|n| out.u64(n));
            }
        }
        out.0
    }

    /// A number that equal matches have in common: the `ETag`.
    pub fn digest(&self) -> u64 {
        digest(&self.canonical())
    }
}

impl End {
    /// 1 for who won, 2 for who did not, or as the ranking says; everybody is equal in a draw.
    fn place(&self, side: &Name) -> u32 {
        if self.draw {
            return 1;
        }
        if let Some(placement) = self.placements.iter().find(|p| p.name == *side) {
            return placement.place;
        }
        let last = self.placements.iter().map(|p| p.place).max().unwrap_or(1);
        if self.winner.as_ref() == Some(side) { 1 } else { last.saturating_add(1) }
    }

    fn is_won_by(&self, player: Option<&Name>, team: Option<&Name>) -> bool {
        let Some(side) = team.or(player) else { return false };
        !self.voided && !self.draw && self.place(side) == 1
    }
}
