//! A small content, and a session to play in.

use crate::combat::content::*;
use crate::combat::*;

pub(super) const RIFLE: u8 = 0;
pub(super) const SHOTGUN: u8 = 1;
pub(super) const SNIPER: u8 = 2;
pub(super) const LAUNCHER: u8 = 3;

pub(super) const HEAL: ActionNo = ActionNo(0);
pub(super) const SHIELD: ActionNo = ActionNo(1);
pub(super) const BURN: ActionNo = ActionNo(2);
pub(super) const STUN: ActionNo = ActionNo(3);
pub(super) const HASTE: ActionNo = ActionNo(4);
pub(super) const BARGAIN: ActionNo = ActionNo(5);

fn weapon(id: &str) -> Weapon {
    Weapon {
        id: id.to_owned(),
        name: id.to_owned(),
        delivery: Delivery::Ray,
        damage: 30,
        pellets: 1,
        rounds_per_minute: 600,
        magazine: 30,
        reserve: 90,
        reload_ms: 2_000,
        equip_ms: 500,
        range_q: 100 * 1024,
        falloff: vec![
            FalloffPoint { distance_q: 20 * 1024, permille: 1_000 },
            FalloffPoint { distance_q: 60 * 1024, permille: 500 },
        ],
        head_permille: 4_000,
        limb_permille: 750,
        spread: 0,
        recoil: 0,
        muzzle_q: 512,
        armour_pierce_permille: 0,
        pierce_players: 0,
        pierce_permille: 500,
        pierce_wall_q: 0,
        speed_permille: 1_000,
        effects: Vec::new(),
    }
}

fn effect(id: &str, kind: EffectKind, duration_ms: u32) -> Effect {
    Effect {
        id: id.to_owned(),
        name: id.to_owned(),
        kind,
        duration_ms,
        stacking: Stacking::Refresh,
        then: None,
    }
}

fn action(id: &str, target: ActionTarget, effects: &[u16]) -> Action {
    Action {
        id: id.to_owned(),
        name: id.to_owned(),
        cooldown_ms: 5_000,
        charges: 1,
        energy_cost: 20,
        health_cost: 0,
        cast_ms: 0,
        interrupted_by: Interrupts::default(),
        target,
        range_q: 30 * 1024,
        needs_line: false,
        effects: effects.iter().copied().map(EffectNo).collect(),
        then: None,
    }
}

fn mode(id: &str, kind: ModeKind, teams: u8) -> Mode {
    Mode {
        id: id.to_owned(),
        name: id.to_owned(),
        kind,
        teams,
        score_max: 0,
        time_max_ms: 0,
        respawn_ms: 3_000,
        friendly_fire: false,
        self_damage: true,
        weapons: (0..4).map(WeaponNo).collect(),
        armour: None,
        actions: (0..6).map(ActionNo).collect(),
    }
}

pub(super) fn at(x: i32, y: i32, z: i32) -> Vec3 {
    Vec3::new(x * 1024, y * 1024, z * 1024)
}

fn solid(shape: Shape, density_permille: u32) -> Solid {
    Solid { shape, density_permille }
}

fn map(id: &str, solids: Vec<Solid>) -> Map {
    let spawn = |x, y| Spawn { position: at(x, y, 0), look: Look::default(), team: TeamNo(0) };
    Map {
        id: id.to_owned(),
        name: id.to_owned(),
        bounds: Aabb::new(at(-100, -100, 0), at(100, 100, 40)),
        solids,
        spawns: vec![spawn(-50, 0), spawn(50, 0), spawn(0, -50), spawn(0, 50)],
    }
}

/// Walls of every kind between x = 9 and x = 31, and a ramp of triangles.
fn walls() -> Vec<Solid> {
    let block = |x0, y0, x1, y1, z1| Shape::Box(Aabb::new(at(x0, y0, 0), at(x1, y1, z1)));
    let prism = Convex {
        bounds: Aabb::new(at(20, -10, 0), at(30, 10, 4)),
        planes: vec![
            Plane { normal: Vec3::new(1024, 1024, 0), offset: 1024 * 1024 * 30 },
            Plane { normal: Vec3::new(1024, -1024, 0), offset: 1024 * 1024 * 30 },
        ],
    };
    vec![
        solid(block(9, -5, 10, 5, 3), 1_000),
        solid(block(12, 20, 14, 30, 5), 0),
        solid(Shape::Convex(prism), 2_000),
        solid(Shape::Triangle([at(-20, -20, 0), at(-20, 20, 0), at(-20, 0, 8)]), 0),
    ]
}

pub(super) fn content() -> Content {
    let shotgun = Weapon {
        damage: 12,
        pellets: 8,
        spread: 700,
        rounds_per_minute: 70,
        magazine: 6,
        reserve: 24,
        ..weapon("shotgun")
    };
    let sniper = Weapon {
        damage: 80,
        pierce_players: 2,
        pierce_wall_q: 2 * 1024,
        rounds_per_minute: 50,
        magazine: 5,
        reserve: 10,
        armour_pierce_permille: 500,
        ..weapon("sniper")
    };
    let launcher = Weapon {
        delivery: Delivery::Projectile(ProjectileSpec {
            speed_q_per_s: 20 * 1024,
            gravity_q_per_s2: 10_045,
            fuse_ms: 2_000,
            explodes_on_contact: true,
            radius_q: 5 * 1024,
        }),
        damage: 120,
        rounds_per_minute: 60,
        magazine: 1,
        reserve: 8,
        ..weapon("launcher")
    };
    let damage =
        |amount, period_ms| EffectKind::Damage { amount, period_ms, ignores_armour: false };
    Content {
        name: "fixture".to_owned(),
        rules: Rules::default(),
        body: Body::default(),
        weapons: vec![weapon("rifle"), shotgun, sniper, launcher],
        armours: vec![Armour {
            id: "vest".to_owned(),
            name: "vest".to_owned(),
            points: 50,
            absorb_permille: 500,
            covers_head: false,
        }],
        effects: vec![
            effect("mending", EffectKind::Heal { amount: 25, period_ms: 0 }, 0),
            effect("ward", EffectKind::Shield { amount: 40 }, 4_000),
            effect("fire", damage(5, 500), 3_000),
            effect("stunned", EffectKind::Stun, 1_000),
            effect("haste", EffectKind::Speed { permille: 1_500 }, 2_000),
            effect("rage", EffectKind::DamageDealt { permille: 2_000 }, 3_000),
        ],
        actions: vec![
            action("heal", ActionTarget::Ally, &[0]),
            action("shield", ActionTarget::Own, &[1]),
            action("burn", ActionTarget::Enemy, &[2]),
            Action {
                cast_ms: 500,
                interrupted_by: Interrupts { by_damage: true, by_movement: true },
                ..action("stun", ActionTarget::Enemy, &[3])
            },
            Action { charges: 2, ..action("haste", ActionTarget::Own, &[4]) },
            Action {
                health_cost: 30,
                energy_cost: 0,
                ..action("bargain", ActionTarget::Own, &[5])
            },
        ],
        modes: vec![
            mode("dm", ModeKind::Deathmatch, 0),
            mode("tdm", ModeKind::TeamDeathmatch, 2),
            Mode {
                score_max: 3,
                ..mode(
                    "rounds",
                    ModeKind::Rounds(RoundRules {
                        round_ms: 60_000,
                        pause_ms: 2_000,
                        on_time: OnTime::Nobody,
                    }),
                    2,
                )
            },
            Mode { armour: Some(ArmourNo(0)), ..mode("armoured", ModeKind::Deathmatch, 0) },
        ],
        maps: vec![map("open", Vec::new()), map("walls", walls())],
    }
}

/// A session with its log, and players whose clocks are the server's.
pub(super) struct World {
    pub(super) content: CheckedContent,
    pub(super) session: Session,
    pub(super) log: Vec<Record>,
    pub(super) at_us: u64,
    seq: Vec<u32>,
    acts: Vec<u32>,
}

impl World {
    pub(super) fn new(mode: &str, map: &str) -> Self {
        Self::with(content(), mode, map)
    }

    pub(super) fn with(content: Content, mode: &str, map: &str) -> Self {
        let content = CheckedContent::new(content).unwrap();
        let new = NewSession {
            session_id: "s-1".to_owned(),
            name: "a session".to_owned(),
            kind: "test".to_owned(),
            max_players: 10,
            map_id: map.to_owned(),
            mode_id: mode.to_owned(),
            seed: 7,
            rules: None,
        };
        let first = new.create(&content).unwrap();
        let session = Session::begin(&first).unwrap();
        Self { content, session, log: vec![first], at_us: 0, seq: Vec::new(), acts: Vec::new() }
    }

    pub(super) fn run(&mut self, command: &Command) -> Verdict {
        let decision = self.session.execute(&self.content, command, self.at_us);
        self.log.extend(decision.records);
        decision.verdict
    }

    /// Events of the last command.
    pub(super) fn events(&mut self, command: &Command) -> (Verdict, Vec<Event>) {
        let before = self.log.len();
        let verdict = self.run(command);
        (verdict, self.log[before..].iter().map(|record| record.event.clone()).collect())
    }

    pub(super) fn join(&mut self, id: &str) -> PlayerNo {
        let verdict = self.run(&Command::Join { player_id: id.to_owned(), team: None });
        let Evidence::Seat(seat) = verdict.evidence else { panic!("{verdict:?}") };
        self.seq.resize(self.session.players.len(), 0);
        self.acts.resize(self.session.players.len(), 0);
        seat.player
    }

    /// A started session with players, each put at a place and ready.
    pub(super) fn started(mode: &str, map: &str, places: &[Vec3]) -> Self {
        let mut world = Self::new(mode, map);
        world.start(places);
        world
    }

    pub(super) fn start(&mut self, places: &[Vec3]) {
        for index in 0..places.len() {
            self.join(&format!("p{index}"));
        }
        assert_eq!(self.run(&Command::Start).reason, Reason::Accepted);
        for (index, place) in places.iter().enumerate() {
            self.put(PlayerNo(index as u16), *place);
        }
        self.ticks(2);
    }

    /// Teleports a player, who echoes it.
    pub(super) fn put(&mut self, player: PlayerNo, position: Vec3) {
        let command = Command::Teleport { player, position, look: Look::default() };
        assert_eq!(self.run(&command).reason, Reason::Accepted);
        self.at_us += 1;
        let input = Move { position, ..self.stand(player) };
        assert_eq!(self.run(&Command::Move(input)).reason, Reason::Accepted);
    }

    /// A move to where the player is already.
    pub(super) fn stand(&self, player: PlayerNo) -> Move {
        let state = self.session.player(player).unwrap();
        Move {
            player,
            client_us: 1_000_000 + self.at_us,
            position: state.pose.position,
            look: state.pose.look,
            stance: state.pose.stance,
            correction_ack: state.correction,
        }
    }

    pub(super) fn ticks(&mut self, count: u32) {
        for _ in 0..count {
            self.at_us += 33_333;
            self.run(&Command::Tick);
        }
    }

    pub(super) fn milliseconds(&mut self, ms: u32) {
        self.ticks(self.session.created.rules.ticks(ms));
    }

    /// A shot from the eye of one player at the chest of another, as both stand.
    pub(super) fn aim(&mut self, from: PlayerNo, to: PlayerNo, height_q: i32) -> Shot {
        let shooter = self.session.player(from).unwrap();
        let eye = self.content.body.hull(shooter.pose.stance).eye_q;
        let origin = shooter.pose.position.raised(eye);
        let target = self.session.player(to).unwrap().pose.position.raised(height_q);
        let look = look_at(origin, target);
        let tick = self.session.tick;
        self.seq[from.index()] += 1;
        Shot {
            player: from,
            seq: self.seq[from.index()],
            client_us: 1_000_000 + self.at_us,
            view_q8: u64::from(tick.0) << 8,
            acked: tick,
            written: tick,
            slot: shooter.slot,
            origin,
            look,
            claimed_target: Some(to),
        }
    }

    pub(super) fn shoot(&mut self, from: PlayerNo, to: PlayerNo) -> Verdict {
        let shot = self.aim(from, to, 1_200);
        self.look(from, shot.look);
        self.run(&Command::Shoot(shot))
    }

    /// Turns a player.
    pub(super) fn look(&mut self, player: PlayerNo, look: Look) {
        self.at_us += 1;
        let input = Move { look, ..self.stand(player) };
        self.run(&Command::Move(input));
    }

    pub(super) fn act(
        &mut self,
        player: PlayerNo,
        action: ActionNo,
        target: Option<PlayerNo>,
    ) -> Verdict {
        self.acts[player.index()] += 1;
        let seq = self.acts[player.index()];
        self.run(&Command::Act(Act { player, seq, action, target }))
    }

    pub(super) fn player(&self, player: PlayerNo) -> &Player {
        self.session.player(player).unwrap()
    }

    /// What is live is what the log says, from its start and through bytes.
    pub(super) fn check_fold(&self) {
        let folded = Session::fold(&self.log).unwrap();
        assert_eq!(folded, self.session);
        let copy = Session::from_keyframe(&self.session.keyframe()).unwrap();
        assert_eq!(copy, self.session);
        for record in &self.log {
            assert_eq!(Event::decode(&record.event.encode()).unwrap(), record.event);
        }
    }
}

/// The look from one point to another, found by search: tests need no arctangent.
pub(super) fn look_at(from: Vec3, to: Vec3) -> Look {
    let way = to.minus(from);
    let score = |look: Look| look.direction().along(way);
    let best = |candidates: &mut dyn Iterator<Item = Look>| {
        candidates.max_by_key(|look| score(*look)).unwrap()
    };
    let mut look = best(
        &mut (0..64_u16)
            .flat_map(|yaw| (-15..=15_i16).map(move |pitch| Look::new(yaw * 1024, pitch * 1024))),
    );
    for step in [512, 256, 128, 64, 32, 16, 8, 4, 2, 1_i32] {
        let around = (-2..=2).flat_map(|yaw: i32| (-2..=2).map(move |pitch: i32| (yaw, pitch)));
        let center = look;
        look = best(&mut around.map(|(yaw, pitch)| Look {
            yaw: center.yaw.wrapping_add((yaw * step) as u16),
            pitch: (i32::from(center.pitch) + pitch * step).clamp(-16_384, 16_384) as i16,
        }));
    }
    look
}
