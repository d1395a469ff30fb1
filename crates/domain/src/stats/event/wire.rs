//! The stored form of an event. What is written here is read for as long as logs live: fields are only
//! ever appended to a kind.

use super::super::codec::{Reader, Truncated, Writer};
use super::{Data, Event, Kind, Placement};
use crate::stats::EventId;

const ABSENT: u64 = 0;

impl Event {
    pub fn put(&self, out: &mut Writer) {
        out.raw(&self.id.0);
        out.name(self.label.as_ref());
        self.put_content(out);
        out.bytes(&self.extra);
    }

    /// Everything that counts; the id names what is written here.
    pub(super) fn put_content(&self, out: &mut Writer) {
        out.name(Some(&self.match_id));
        out.name(self.player.as_ref());
        out.i64(self.time_us);
        out.u64(self.data.kind() as u64);
        self.data.put(out);
    }

    pub fn take(from: &mut Reader<'_>) -> Result<Self, Truncated> {
        let id = EventId(from.raw(16)?.try_into().map_err(|_| Truncated)?);
        let label = from.name()?;
        let match_id = from.name()?.ok_or(Truncated)?;
        let player = from.name()?;
        let time_us = from.i64()?;
        let kind = Kind::of_number(from.u8()?).ok_or(Truncated)?;
        let data = Data::take(kind, from)?;
        let extra = from.bytes()?.into();
        Ok(Self { id, label, match_id, player, time_us, data, extra })
    }
}

fn put_optional(out: &mut Writer, value: Option<u64>) {
    match value {
        None => out.u64(ABSENT),
        Some(value) => {
            out.u64(1);
            out.u64(value);
        }
    }
}

fn take_optional(from: &mut Reader<'_>) -> Result<Option<u64>, Truncated> {
    if from.u64()? == ABSENT { Ok(None) } else { from.u64().map(Some) }
}

fn narrow(value: Option<u64>) -> Result<Option<u32>, Truncated> {
    value.map(u32::try_from).transpose().map_err(|_| Truncated)
}

impl Data {
    fn put(&self, out: &mut Writer) {
        match self {
            Self::MatchStart { map, mode } => {
                out.name(map.as_ref());
                out.name(mode.as_ref());
            }
            Self::MatchEnd { winner, draw, voided, placements } => {
                out.name(winner.as_ref());
                out.u64(u64::from(*draw) | u64::from(*voided) << 1);
                out.u64(placements.len() as u64);
                for placement in placements {
                    out.name(Some(&placement.name));
                    out.u64(placement.place.into());
                }
            }
            Self::PlayerJoin { team } => out.name(team.as_ref()),
            Self::PlayerLeave => {}
            Self::Kill { victim, weapon, headshot } => {
                out.name(victim.as_ref());
                out.name(weapon.as_ref());
                out.u64(u64::from(*headshot));
            }
            Self::Death { killer, weapon } => {
                out.name(killer.as_ref());
                out.name(weapon.as_ref());
            }
            Self::Assist { victim } => out.name(victim.as_ref()),
            Self::Damage { target, weapon, milli, headshot, health_milli, shot } => {
                out.name(target.as_ref());
                out.name(weapon.as_ref());
                out.u64((*milli).into());
                out.u64(u64::from(*headshot));
                put_optional(out, health_milli.map(u64::from));
                put_optional(out, *shot);
            }
            Self::Position { mm } => mm.iter().for_each(|c| out.i64((*c).into())),
            Self::ItemUse { item, quantity, shots } => {
                out.name(item.as_ref());
                out.u64((*quantity).into());
                out.u64((*shots).into());
            }
            Self::Objective { name, round, winner, points } => {
                out.name(Some(name));
                out.u64((*round).into());
                out.name(winner.as_ref());
                out.u64((*points).into());
            }
        }
    }

    fn take(kind: Kind, from: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(match kind {
            Kind::MatchStart => Self::MatchStart { map: from.name()?, mode: from.name()? },
            Kind::MatchEnd => {
                let winner = from.name()?;
                let flags = from.u64()?;
                let count = from.count()?;
                let placements = (0..count)
                    .map(|_| {
                        let name = from.name()?.ok_or(Truncated)?;
                        Ok(Placement { name, place: from.u32()? })
                    })
                    .collect::<Result<_, Truncated>>()?;
                Self::MatchEnd { winner, draw: flags & 1 != 0, voided: flags & 2 != 0, placements }
            }
            Kind::PlayerJoin => Self::PlayerJoin { team: from.name()? },
            Kind::PlayerLeave => Self::PlayerLeave,
            Kind::Kill => Self::Kill {
                victim: from.name()?,
                weapon: from.name()?,
                headshot: from.u64()? != 0,
            },
            Kind::Death => Self::Death { killer: from.name()?, weapon: from.name()? },
            Kind::Assist => Self::Assist { victim: from.name()? },
            Kind::Damage => Self::Damage {
                target: from.name()?,
                weapon: from.name()?,
                milli: from.u32()?,
                headshot: from.u64()? != 0,
                health_milli: narrow(take_optional(from)?)?,
                shot: take_optional(from)?,
            },
            Kind::Position => {
                let mut mm = [0; 3];
                for coordinate in &mut mm {
                    *coordinate = from.i64()?.try_into().map_err(|_| Truncated)?;
                }
                Self::Position { mm }
            }
            Kind::ItemUse => {
                Self::ItemUse { item: from.name()?, quantity: from.u32()?, shots: from.u32()? }
            }
            Kind::Objective => Self::Objective {
                name: from.name()?.ok_or(Truncated)?,
                round: from.u32()?,
                winner: from.name()?,
                points: from.u32()?,
            },
        })
    }
}
