//! Between the rules and the contracts. Only here both are known.

pub(crate) mod event;
pub(crate) mod input;
pub(crate) mod record;
pub(crate) mod session;
pub(crate) mod verdict;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::content::Stance;
use gamemesh_domain::combat::{
    ActionNo, Cause, CheckedContent, EffectNo, PlayerNo, Session, Vec3, WeaponNo,
};
use prost_types::Timestamp;

/// A session with the content by which it is played: what numbers mean.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) state: &'a Session,
    pub(crate) content: &'a CheckedContent,
}

impl Named<'_> {
    pub(crate) fn player(&self, player: PlayerNo) -> String {
        self.state.player(player).map(|player| player.id.clone()).unwrap_or_default()
    }

    pub(crate) fn maybe_player(&self, player: Option<PlayerNo>) -> String {
        player.map(|player| self.player(player)).unwrap_or_default()
    }

    pub(crate) fn weapon(&self, weapon: WeaponNo) -> String {
        let weapon = self.content.weapons.get(usize::from(weapon.0));
        weapon.map(|weapon| weapon.id.clone()).unwrap_or_default()
    }

    pub(crate) fn action(&self, action: ActionNo) -> String {
        let action = self.content.actions.get(usize::from(action.0));
        action.map(|action| action.id.clone()).unwrap_or_default()
    }

    pub(crate) fn effect(&self, effect: EffectNo) -> String {
        let effect = self.content.effects.get(usize::from(effect.0));
        effect.map(|effect| effect.id.clone()).unwrap_or_default()
    }

    pub(crate) fn cause(&self, cause: Cause) -> String {
        match cause {
            Cause::Weapon(weapon) => self.weapon(weapon),
            Cause::Effect(effect) => self.effect(effect),
            Cause::Action(action) | Cause::Cost(action) => self.action(action),
        }
    }
}

pub(crate) const fn vector(place: Vec3) -> pb::Vector {
    pb::Vector { x: place.x, y: place.y, z: place.z }
}

pub(crate) const fn stance(stance: Stance) -> &'static str {
    match stance {
        Stance::Standing => "stand",
        Stance::Crouching => "crouch",
        Stance::Prone => "prone",
    }
}

pub(crate) fn timestamp(micros: i64) -> Timestamp {
    Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
    }
}

/// A count of the rules as the contract's signed number.
pub(crate) fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
