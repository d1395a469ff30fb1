//! Files to content: names become numbers.

use gamemesh_domain::combat::content::{
    Aabb, Action, ActionTarget, Armour, Delivery, Effect, EffectKind, FalloffPoint, Interrupts,
    Map, Mode, ModeKind, OnTime, ProjectileSpec, RoundRules, Rules, Shape, Solid, Spawn, Stacking,
    Weapon,
};
use gamemesh_domain::combat::{ActionNo, ArmourNo, EffectNo, Look, TeamNo, WeaponNo};

use super::forms::{
    ActionForm, ArmourForm, BoxForm, EffectForm, MapForm, ModeForm, ProjectileForm, RulesForm,
    WeaponForm,
};

/// What is wrong, and the path of the field.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) path: String,
    pub(super) what: String,
}

type Resolved<T> = Result<T, Wrong>;

/// The names of the entries that others refer to, in order.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) weapons: Vec<String>,
    pub(super) armours: Vec<String>,
    pub(super) effects: Vec<String>,
    pub(super) actions: Vec<String>,
}

fn wrong(path: String, what: impl Into<String>) -> Wrong {
    Wrong { path, what: what.into() }
}

fn number(names: &[String], kind: &str, name: &str, path: impl Fn() -> String) -> Resolved<u16> {
    names.iter().position(|known| known == name).map(|at| at as u16).ok_or_else(|| {
        wrong(path(), format!("no {kind} has the id {name:?}; there are: {}", names.join(", ")))
    })
}

fn numbers<T>(
    names: &[String],
    kind: &str,
    listed: &[String],
    path: &str,
    make: fn(u16) -> T,
) -> Resolved<Vec<T>> {
    let one = |(at, name): (usize, &String)| {
        number(names, kind, name, || format!("{path}[{at}]")).map(make)
    };
    listed.iter().enumerate().map(one).collect()
}

impl Names {
    pub(super) fn weapon(&self, form: &WeaponForm, at: usize) -> Resolved<Weapon> {
        let path = format!("weapons[{at}]");
        let angle = |units: i32, field: &str| {
            u16::try_from(units)
                .map_err(|_| wrong(format!("{path}.{field}"), "accepts 0 to 359 degrees"))
        };
        let falloff = form.falloff.iter().map(|point| FalloffPoint {
            distance_q: point.distance_m.q(),
            permille: point.factor.permille(),
        });
        Ok(Weapon {
            id: form.id.clone(),
            name: form.name.clone(),
            delivery: form.projectile.as_ref().map_or(Delivery::Ray, projectile),
            damage: form.damage,
            pellets: form.pellets,
            rounds_per_minute: form.rounds_per_minute,
            magazine: form.magazine,
            reserve: form.reserve,
            reload_ms: form.reload_ms,
            equip_ms: form.equip_ms,
            range_q: form.range_m.q(),
            falloff: falloff.collect(),
            head_permille: form.head_factor.permille(),
            limb_permille: form.limb_factor.permille(),
            spread: angle(form.spread_deg.units(), "spread_deg")?,
            recoil: angle(form.recoil_deg.units(), "recoil_deg")?,
            muzzle_q: form.muzzle_m.q(),
            armour_pierce_permille: form.armour_pierce.permille(),
            pierce_players: form.pierce_players,
            pierce_permille: form.pierce_factor.permille(),
            pierce_wall_q: form.pierce_wall_m.map_or(0, |thickness| thickness.q()),
            speed_permille: form.speed_factor.permille(),
            effects: self.effects_of(&form.effects, &format!("{path}.effects"))?,
        })
    }

    fn effects_of(&self, listed: &[String], path: &str) -> Resolved<Vec<EffectNo>> {
        numbers(&self.effects, "effect", listed, path, EffectNo)
    }

    pub(super) fn effect(&self, form: &EffectForm, at: usize) -> Resolved<Effect> {
        let path = format!("effects[{at}]");
        let permille = form.factor.permille();
        let &EffectForm { amount, period_ms, ignores_armour, .. } = form;
        let kind = match form.kind.as_str() {
            "damage" => EffectKind::Damage { amount, period_ms, ignores_armour },
            "heal" => EffectKind::Heal { amount, period_ms },
            "shield" => EffectKind::Shield { amount },
            "speed" => EffectKind::Speed { permille },
            "damage_dealt" => EffectKind::DamageDealt { permille },
            "damage_taken" => EffectKind::DamageTaken { permille },
            "stun" => EffectKind::Stun,
            "invulnerable" => EffectKind::Invulnerable,
            _ => {
                let what = "accepts damage, heal, shield, speed, damage_dealt, damage_taken, stun, \
                            invulnerable";
                return Err(wrong(format!("{path}.kind"), what));
            }
        };
        let stacking = match &form.stacking {
            None => Stacking::Refresh,
            Some(toml::Value::String(text)) if text == "refresh" => Stacking::Refresh,
            Some(toml::Value::String(text)) if text == "keep" => Stacking::Keep,
            Some(toml::Value::Integer(max)) if (2..=16).contains(max) => {
                Stacking::Stack { max: *max as u8 }
            }
            Some(_) => {
                let what = "accepts \"refresh\", \"keep\", or a number from 2 to 16";
                return Err(wrong(format!("{path}.stacking"), what));
            }
        };
        let then = form.then.as_ref().map(|name| {
            number(&self.effects, "effect", name, || format!("{path}.then")).map(EffectNo)
        });
        let (id, name) = (form.id.clone(), form.name.clone());
        Ok(Effect {
            id,
            name,
            kind,
            duration_ms: form.duration_ms,
            stacking,
            then: then.transpose()?,
        })
    }

    pub(super) fn action(&self, form: &ActionForm, at: usize) -> Resolved<Action> {
        let path = format!("actions[{at}]");
        let target = match form.target.as_str() {
            "self" => ActionTarget::Own,
            "ally" => ActionTarget::Ally,
            "enemy" => ActionTarget::Enemy,
            _ => return Err(wrong(format!("{path}.target"), "accepts self, ally, enemy")),
        };
        let cooldown_ms = u32::try_from(form.cooldown_ms)
            .map_err(|_| wrong(format!("{path}.cooldown_ms"), "accepts 0 or more milliseconds"))?;
        let then = form.then.as_ref().map(|name| {
            number(&self.actions, "action", name, || format!("{path}.then")).map(ActionNo)
        });
        Ok(Action {
            id: form.id.clone(),
            name: form.name.clone(),
            cooldown_ms,
            charges: form.charges,
            energy_cost: form.energy_cost,
            health_cost: form.health_cost,
            cast_ms: form.cast_ms,
            interrupted_by: Interrupts {
                by_damage: form.interrupted_by_damage,
                by_movement: form.interrupted_by_movement,
            },
            target,
            range_q: form.range_m.map_or(0, |range| range.q()),
            needs_line: form.needs_line,
            effects: self.effects_of(&form.effects, &format!("{path}.effects"))?,
            then: then.transpose()?,
        })
    }

    pub(super) fn mode(&self, form: &ModeForm, at: usize) -> Resolved<Mode> {
        let path = format!("modes[{at}]");
        let armour = form.armour.as_ref().map(|name| {
            number(&self.armours, "armour", name, || format!("{path}.armour")).map(ArmourNo)
        });
        Ok(Mode {
            id: form.id.clone(),
            name: form.name.clone(),
            kind: mode_kind(form, &path)?,
            teams: form.teams,
            score_max: form.score_max,
            time_max_ms: form.time_max_ms,
            respawn_ms: form.respawn_ms,
            friendly_fire: form.friendly_fire,
            self_damage: form.self_damage,
            weapons: numbers(
                &self.weapons,
                "weapon",
                &form.weapons,
                &format!("{path}.weapons"),
                WeaponNo,
            )?,
            armour: armour.transpose()?,
            actions: numbers(
                &self.actions,
                "action",
                &form.actions,
                &format!("{path}.actions"),
                ActionNo,
            )?,
        })
    }
}

fn mode_kind(form: &ModeForm, path: &str) -> Resolved<ModeKind> {
    match (form.kind.as_str(), &form.rounds) {
        ("deathmatch", None) => Ok(ModeKind::Deathmatch),
        ("team_deathmatch", None) => Ok(ModeKind::TeamDeathmatch),
        ("rounds", Some(rounds)) => {
            let on_time = match &rounds.on_time {
                toml::Value::String(text) if text == "nobody" => OnTime::Nobody,
                toml::Value::String(text) if text == "more_alive" => OnTime::MoreAlive,
                toml::Value::Integer(team) if (1..=255).contains(team) => {
                    OnTime::Team(TeamNo(*team as u8))
                }
                _ => {
                    let what = "accepts \"nobody\", \"more_alive\", or the number of a team";
                    return Err(wrong(format!("{path}.rounds.on_time"), what));
                }
            };
            Ok(ModeKind::Rounds(RoundRules {
                round_ms: rounds.round_ms,
                pause_ms: rounds.pause_ms,
                on_time,
            }))
        }
        ("rounds", None) => Err(wrong(format!("{path}.rounds"), "is required for this kind")),
        ("deathmatch" | "team_deathmatch", Some(_)) => {
            Err(wrong(format!("{path}.rounds"), "is of the kind rounds only"))
        }
        _ => {
            let what = "accepts deathmatch, team_deathmatch, rounds";
            Err(wrong(format!("{path}.kind"), what))
        }
    }
}

fn projectile(form: &ProjectileForm) -> Delivery {
    Delivery::Projectile(ProjectileSpec {
        speed_q_per_s: form.speed_m_per_s.q(),
        gravity_q_per_s2: form.gravity_m_per_s2.map_or(0, |gravity| gravity.q()),
        fuse_ms: form.fuse_ms,
        explodes_on_contact: form.explodes_on_contact,
        radius_q: form.radius_m.q(),
    })
}

pub(super) fn armour(form: &ArmourForm) -> Armour {
    Armour {
        id: form.id.clone(),
        name: form.name.clone(),
        points: form.points,
        absorb_permille: form.absorbs.permille(),
        covers_head: form.covers_head,
    }
}

pub(super) fn map(form: MapForm) -> Map {
    let boxes = form.boxes.iter().map(|solid| Solid {
        shape: Shape::Box(aabb(solid)),
        density_permille: solid.density.permille(),
    });
    let triangles = form.triangles.iter().map(|corners| Solid {
        shape: Shape::Triangle(corners.map(|corner| corner.q())),
        density_permille: 0,
    });
    let spawns = form.spawns.iter().map(|spawn| Spawn {
        position: spawn.position.q(),
        look: Look::new(spawn.yaw_deg.units() as u16, 0),
        team: TeamNo(spawn.team),
    });
    Map {
        bounds: aabb(&form.bounds),
        solids: boxes.chain(triangles).collect(),
        spawns: spawns.collect(),
        id: form.id,
        name: form.name,
    }
}

fn aabb(form: &BoxForm) -> Aabb {
    Aabb::new(form.min.q(), form.max.q())
}

pub(super) fn rules(form: &RulesForm) -> Rules {
    fn set<T: Copy>(into: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *into = value;
        }
    }
    let mut rules = Rules::default();
    set(&mut rules.tick_hz, form.tick_hz);
    let speed = form.speed_m_per_s.map(|speed| speed.length_q());
    set(&mut rules.movement.speed_q_per_s, speed);
    if form.flying == Some(true) {
        rules.movement.vertical = None;
    }
    set(&mut rules.rewind.rewind_max_ms, form.rewind_max_ms);
    set(&mut rules.rewind.interpolation_max_ms, form.interpolation_max_ms);
    set(&mut rules.rewind.shot_age_max_ms, form.shot_age_max_ms);
    set(&mut rules.damage.trades, form.trades);
    set(&mut rules.player.health_max, form.health_max);
    set(&mut rules.player.energy_max, form.energy_max);
    set(&mut rules.player.energy_per_s, form.energy_per_s);
    set(&mut rules.player.spawn_protection_ms, form.spawn_protection_ms);
    set(&mut rules.spectate.allowed, form.spectators_allowed);
    set(&mut rules.spectate.spectators_max, form.spectators_max);
    set(&mut rules.spectate.delay_s, form.spectator_delay_s);
    rules
}
