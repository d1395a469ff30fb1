//! How many commands of combat are judged and folded each second on one core:
//! `cargo run --release -p gamemesh-domain --example combat`.

#![expect(clippy::disallowed_methods, reason = "it measures time; the rules do not")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, not a server")]

use std::hint::black_box;
use std::time::Instant;

use gamemesh_domain::combat::content::{
    Aabb, Delivery, Map, Mode, ModeKind, Shape, Solid, Spawn, Weapon,
};
use gamemesh_domain::combat::{
    CheckedContent, Command, Content, Look, Move, NewSession, PlayerNo, Session, Shot, TeamNo,
    Vec3, WeaponNo,
};

const PLAYERS: u16 = 20;
const MOVES: u64 = 2_000_000;
const SHOTS: u64 = 500_000;

fn main() {
    let content = CheckedContent::new(content()).unwrap();
    let mut session = started(&content);
    let mut at_us = 1_000_000;
    println!("{PLAYERS} players, {} solids", content.maps[0].solids.len());

    let start = Instant::now();
    for step in 0..MOVES {
        let player = PlayerNo((step % u64::from(PLAYERS)) as u16);
        at_us += 33_333 / u64::from(PLAYERS);
        black_box(session.execute(
            &content,
            &Command::Move(step_of(&session, player, at_us)),
            at_us,
        ));
        if step % 20 == 0 {
            session.execute(&content, &Command::Tick, at_us);
        }
    }
    report("positions judged and folded", MOVES, start);

    let mut hits = 0_u64;
    let start = Instant::now();
    for step in 0..SHOTS {
        let player = PlayerNo((step % u64::from(PLAYERS)) as u16);
        at_us += 110_000 / u64::from(PLAYERS);
        let shot = shot_of(&session, player, step, at_us);
        let decision = black_box(session.execute(&content, &Command::Shoot(shot), at_us));
        hits += u64::from(decision.records.len() > 1);
        if step % 20 == 0 {
            session.execute(&content, &Command::Tick, at_us);
        }
    }
    report("shots judged and folded", SHOTS, start);
    println!("{hits} of them hurt somebody");

    let start = Instant::now();
    for _ in 0..2_000 {
        black_box(session.state_hash());
    }
    report("state hashes", 2_000, start);
    println!("a keyframe has {} bytes", session.keyframe().len());
}

fn report(what: &str, count: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {:.0} per second, {:.2} µs each",
        count as f64 / seconds,
        seconds * 1e6 / count as f64
    );
}

/// Everybody walks in a circle of his own.
fn step_of(session: &Session, player: PlayerNo, at_us: u64) -> Move {
    let state = session.player(player).unwrap();
    let look = Look::new(state.pose.look.yaw.wrapping_add(1_500), 0);
    let position = look.direction().point(state.pose.position, 150);
    let correction_ack = state.correction;
    Move { player, client_us: at_us, position, look, correction_ack, ..Move::default() }
}

fn shot_of(session: &Session, player: PlayerNo, step: u64, at_us: u64) -> Shot {
    let state = session.player(player).unwrap();
    let tick = session.tick;
    Shot {
        player,
        seq: (step / u64::from(PLAYERS)) as u32 + 1,
        client_us: at_us,
        view_q8: (u64::from(tick.0) << 8) - 300,
        acked: tick,
        written: tick,
        slot: 0,
        origin: state.pose.position.raised(1_690),
        look: Look::new(state.pose.look.yaw, -200),
        claimed_target: None,
    }
}

fn started(content: &CheckedContent) -> Session {
    let new = NewSession {
        session_id: "bench".to_owned(),
        name: String::new(),
        kind: String::new(),
        max_players: PLAYERS as u8,
        map_id: "yard".to_owned(),
        mode_id: "dm".to_owned(),
        seed: 1,
        rules: None,
    };
    let mut session = Session::begin(&new.create(content).unwrap()).unwrap();
    for player in 0..PLAYERS {
        session.execute(content, &Command::Join { player_id: format!("p{player}"), team: None }, 0);
    }
    session.execute(content, &Command::Start, 0);
    for player in (0..PLAYERS).map(PlayerNo) {
        let (row, column) = (i32::from(player.0) / 5, i32::from(player.0) % 5);
        let position = Vec3::new(column * 5_000 - 10_000, row * 5_000 - 10_000, 0);
        session.execute(content, &Command::Teleport { player, position, look: Look::default() }, 1);
        let echo = Move { player, client_us: 10, position, ..Move::default() };
        let correction_ack = session.player(player).unwrap().correction;
        session.execute(content, &Command::Move(Move { correction_ack, ..echo }), 10);
    }
    for _ in 0..10 {
        session.execute(content, &Command::Tick, 10);
    }
    session
}

/// A yard with a hundred and twenty crates around the players.
fn content() -> Content {
    let weapon = Weapon {
        id: "rifle".to_owned(),
        name: "Rifle".to_owned(),
        delivery: Delivery::Ray,
        damage: 1,
        pellets: 1,
        rounds_per_minute: 600,
        magazine: u16::MAX,
        reserve: 0,
        reload_ms: 1_000,
        equip_ms: 0,
        range_q: 100 * 1024,
        falloff: Vec::new(),
        head_permille: 1_000,
        limb_permille: 1_000,
        spread: 0,
        recoil: 0,
        muzzle_q: 512,
        armour_pierce_permille: 0,
        pierce_players: 0,
        pierce_permille: 0,
        pierce_wall_q: 0,
        speed_permille: 1_000,
        effects: Vec::new(),
    };
    let mode = Mode {
        id: "dm".to_owned(),
        kind: ModeKind::Deathmatch,
        respawn_ms: 1,
        weapons: vec![WeaponNo(0)],
        ..Mode::default()
    };
    let crates = (0..120).map(|number| {
        let (x, y) = (20_000 + number / 30 * 4_000, number % 30 * 3_000 - 45_000);
        let corner = Vec3::new(if number % 2 == 0 { x } else { -x }, y, 0);
        let aabb = Aabb::new(corner, corner.plus(Vec3::new(1_500, 1_500, 1_500)));
        Solid { shape: Shape::Box(aabb), density_permille: 1_000 }
    });
    let map = Map {
        id: "yard".to_owned(),
        name: "Yard".to_owned(),
        bounds: Aabb::new(Vec3::new(-60_000, -60_000, 0), Vec3::new(60_000, 60_000, 20_000)),
        solids: crates.collect(),
        spawns: vec![Spawn { position: Vec3::ZERO, look: Look::default(), team: TeamNo(0) }],
    };
    let mut content = Content {
        name: "bench".to_owned(),
        weapons: vec![weapon],
        modes: vec![mode],
        maps: vec![map],
        ..Content::default()
    };
    content.rules.player.health_max = 1_000_000;
    content
}
