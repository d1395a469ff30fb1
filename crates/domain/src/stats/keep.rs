//! A match as it is kept: its facts, from which everything else follows.

use std::sync::Arc;

use super::codec::{Reader, Truncated, Writer};
use super::fact::{Fact, What};
use super::fold::Rules;
use super::matches::{End, NAMES_MAX, Names, PLAYERS_MAX};
use super::{EventId, Match, Name, Placement};

/// Of the stored form.
const FORMAT: u64 = 1;

impl Match {
    /// Writes the match with everything that was counted.
    pub fn put(&mut self, out: &mut Writer) {
        self.in_order();
        out.u64(FORMAT);
        out.name(Some(&self.id));
        for names in [&self.players, &self.names] {
            out.u64(names.len() as u64);
            names.list().iter().for_each(|name| out.name(Some(name)));
        }
        out.u64(self.labels.len() as u64);
        for (id, label) in &self.labels {
            out.raw(&id.0);
            out.name(Some(label));
        }
        out.u64(self.ends.len() as u64);
        for (id, end) in &*self.ends {
            out.raw(&id.0);
            end.put(out);
        }
        out.u64(self.facts.len() as u64);
        let mut before_us = 0;
        for fact in &self.facts {
            out.i64(fact.time_us - before_us);
            before_us = fact.time_us;
            out.raw(&fact.id.0);
            out.raw(&self.known.get(&fact.id).copied().unwrap_or_default().to_le_bytes());
            out.u64(fact.version.into());
            out.u64(fact.actor.into());
            fact.what.put(out);
        }
    }

    pub fn take(from: &mut Reader<'_>, rules: Rules) -> Result<Self, Truncated> {
        if from.u64()? != FORMAT {
            return Err(Truncated);
        }
        let id = from.name()?.ok_or(Truncated)?;
        let mut kept = Self::new(id, rules);
        for (names, max) in [(&mut kept.players, PLAYERS_MAX), (&mut kept.names, NAMES_MAX)] {
            for _ in 0..from.count()? {
                let name = from.name()?.ok_or(Truncated)?;
                Names::number(names, &name, max).ok_or(Truncated)?;
            }
        }
        for _ in 0..from.count()? {
            let id = event_id(from)?;
            kept.labels.insert(id, from.name()?.ok_or(Truncated)?);
        }
        let ends = Arc::make_mut(&mut kept.ends);
        for _ in 0..from.count()? {
            let id = event_id(from)?;
            ends.insert(id, End::take(from)?);
        }
        let count = from.count()?;
        let mut facts = Vec::with_capacity(count);
        let mut time_us = 0_i64;
        for _ in 0..count {
            time_us = time_us.wrapping_add(from.i64()?);
            let id = event_id(from)?;
            let digest = u64::from_le_bytes(from.raw(8)?.try_into().map_err(|_| Truncated)?);
            kept.known.insert(id, digest);
            let (version, actor) = (from.u32()?, from.u16()?);
            facts.push(Fact { time_us, id, version, actor, what: What::take(from)? });
        }
        kept.restore(facts);
        Ok(kept)
    }
}

fn event_id(from: &mut Reader<'_>) -> Result<EventId, Truncated> {
    Ok(EventId(from.raw(16)?.try_into().map_err(|_| Truncated)?))
}

impl End {
    fn put(&self, out: &mut Writer) {
        out.name(self.winner.as_ref());
        out.u64(u64::from(self.draw) | u64::from(self.voided) << 1);
        out.u64(self.placements.len() as u64);
        for placement in &self.placements {
            out.name(Some(&placement.name));
            out.u64(placement.place.into());
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Truncated> {
        let (winner, flags, count) = (from.name()?, from.u64()?, from.count()?);
        let placement = |from: &mut Reader<'_>| -> Result<Placement, Truncated> {
            let name: Name = from.name()?.ok_or(Truncated)?;
            Ok(Placement { name, place: from.u32()? })
        };
        let placements = (0..count).map(|_| placement(from)).collect::<Result<_, _>>()?;
        Ok(Self { winner, draw: flags & 1 != 0, voided: flags & 2 != 0, placements })
    }
}

impl What {
    fn put(&self, out: &mut Writer) {
        let mut put = |numbers: &[u64]| numbers.iter().for_each(|number| out.u64(*number));
        match *self {
            Self::MatchStart { map, mode } => put(&[1, map.into(), mode.into()]),
            Self::MatchEnd => put(&[2]),
            Self::PlayerJoin { team } => put(&[3, team.into()]),
            Self::PlayerLeave => put(&[4]),
            Self::Kill { victim, weapon, headshot } => {
                put(&[5, victim.into(), weapon.into(), headshot.into()]);
            }
            Self::Death { killer, weapon } => put(&[6, killer.into(), weapon.into()]),
            Self::Assist { victim } => put(&[7, victim.into()]),
            Self::Damage { target, weapon, headshot, has_shot, milli, health, shot } => {
                let flags = u64::from(headshot) | u64::from(has_shot) << 1;
                put(&[8, target.into(), weapon.into(), flags, milli.into(), health.into(), shot]);
            }
            Self::Position { mm } => {
                out.u64(9);
                mm.iter().for_each(|c| out.i64((*c).into()));
            }
            Self::ItemUse { item, quantity, shots } => {
                put(&[10, item.into(), quantity.into(), shots.into()]);
            }
            Self::RoundStart { round } => put(&[11, round.into()]),
            Self::RoundEnd { round, winner } => put(&[12, round.into(), winner.into()]),
            Self::Spawn => put(&[13]),
            Self::Objective { name, points } => put(&[14, name.into(), points.into()]),
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(match from.u64()? {
            1 => Self::MatchStart { map: from.u16()?, mode: from.u16()? },
            2 => Self::MatchEnd,
            3 => Self::PlayerJoin { team: from.u16()? },
            4 => Self::PlayerLeave,
            5 => {
                Self::Kill { victim: from.u16()?, weapon: from.u16()?, headshot: from.u64()? != 0 }
            }
            6 => Self::Death { killer: from.u16()?, weapon: from.u16()? },
            7 => Self::Assist { victim: from.u16()? },
            8 => {
                let (target, weapon, flags) = (from.u16()?, from.u16()?, from.u64()?);
                Self::Damage {
                    target,
                    weapon,
                    headshot: flags & 1 != 0,
                    has_shot: flags & 2 != 0,
                    milli: from.u32()?,
                    health: from.u32()?,
                    shot: from.u64()?,
                }
            }
            9 => {
                let mut mm = [0; 3];
                for coordinate in &mut mm {
                    *coordinate = from.i64()?.try_into().map_err(|_| Truncated)?;
                }
                Self::Position { mm }
            }
            10 => Self::ItemUse { item: from.u16()?, quantity: from.u32()?, shots: from.u32()? },
            11 => Self::RoundStart { round: from.u32()? },
            12 => Self::RoundEnd { round: from.u32()?, winner: from.u16()? },
            13 => Self::Spawn,
            14 => Self::Objective { name: from.u16()?, points: from.u32()? },
            _ => return Err(Truncated),
        })
    }
}
