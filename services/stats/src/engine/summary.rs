//! What a match adds to totals, boards and ratings, as it is kept beside the match.

use gamemesh_domain::stats::{
    Contribution, Figures, MatchView, Name, Outcome, Reader, Side, Status, Truncated, Writer,
};

/// Of the stored form.
const FORMAT: u64 = 1;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    pub(crate) contribution: Contribution,
    pub(crate) outcome: Option<Outcome>,
    /// It has not ended.
    pub(crate) goes_on: bool,
}

impl Summary {
    /// Nothing before the first event.
    pub(crate) fn of(view: &MatchView) -> Option<Self> {
        let players = if view.status() == Status::Voided { Vec::new() } else { view.players() };
        Some(Self {
            contribution: Contribution {
                match_id: view.id().clone(),
                version: view.version(),
                dated_us: view.dated_us()?,
                players: players.into_iter().map(|player| (player.id, player.figures)).collect(),
            },
            outcome: view.outcome(),
            goes_on: matches!(view.status(), Status::Gathering | Status::Active),
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u64(FORMAT);
        out.u64(self.goes_on.into());
        out.i64(self.contribution.dated_us);
        out.u64(self.contribution.players.len() as u64);
        for (name, figures) in &self.contribution.players {
            out.name(Some(name));
            figures.put(&mut out, self.contribution.dated_us);
        }
        out.u64(self.outcome.is_some().into());
        if let Some(outcome) = &self.outcome {
            out.i64(outcome.ended_us);
            out.u64(outcome.sides.len() as u64);
            for side in &outcome.sides {
                out.u64(side.place.into());
                out.u64(side.players.len() as u64);
                side.players.iter().for_each(|name| out.name(Some(name)));
            }
        }
        out.0
    }

    pub(crate) fn decode(match_id: &Name, version: u64, bytes: &[u8]) -> Result<Self, Truncated> {
        let mut from = Reader(bytes);
        if from.u64()? != FORMAT {
            return Err(Truncated);
        }
        let goes_on = from.u64()? != 0;
        let dated_us = from.i64()?;
        let name = |from: &mut Reader<'_>| from.name()?.ok_or(Truncated);
        let count = from.count()?;
        let players = (0..count)
            .map(|_| Ok((name(&mut from)?, Figures::take(&mut from, dated_us)?)))
            .collect::<Result<_, Truncated>>()?;
        let mut outcome = None;
        if from.u64()? != 0 {
            let (ended_us, count) = (from.i64()?, from.count()?);
            let mut sides = Vec::with_capacity(count);
            for _ in 0..count {
                let (place, count) = (from.u32()?, from.count()?);
                let players = (0..count).map(|_| name(&mut from)).collect::<Result<_, _>>()?;
                sides.push(Side { place, players });
            }
            outcome = Some(Outcome { match_id: match_id.clone(), ended_us, sides });
        }
        let match_id = match_id.clone();
        Ok(Self {
            contribution: Contribution { match_id, version, dated_us, players },
            outcome,
            goes_on,
        })
    }
}
