//! M1 to M7: who is where he says that he is, and who is not.

use super::fixture::*;
use crate::combat::content::Rules;
use crate::combat::*;

const A: PlayerNo = PlayerNo(0);
/// Quanta per second that a player may run.
const SPEED: i32 = 7 * 1024;
/// Between two reports, microseconds.
const STEP_US: u64 = 33_333;

/// A client that reports its way at its own pace.
struct Walker {
    client_us: u64,
    position: Vec3,
    ack: u32,
}

impl Walker {
    fn new(world: &World) -> Self {
        let player = world.player(A);
        let client_us = 1_000_000 + world.at_us;
        Self { client_us, position: player.pose.position, ack: player.correction }
    }

    /// The report of a step by so many quanta along x, a client time later.
    fn step(&mut self, by_q: i32, client_us: u64) -> Move {
        self.client_us += client_us;
        self.position.x += by_q;
        Move {
            player: A,
            client_us: self.client_us,
            position: self.position,
            correction_ack: self.ack,
            ..Move::default()
        }
    }
}

fn arrive(world: &mut World, input: Move, after_us: u64) -> Verdict {
    world.at_us += after_us;
    world.run(&Command::Move(input))
}

fn alone() -> (World, Walker) {
    let mut world = World::started("dm", "open", &[at(-90, 0, 0)]);
    // A minute of standing: what the clock allows is then what was measured.
    let mut walker = Walker::new(&world);
    for _ in 0..2_000 {
        let verdict = {
            let step = walker.step(0, STEP_US);
            arrive(&mut world, step, STEP_US)
        };
        assert_eq!(verdict.reason, Reason::Accepted);
    }
    (world, walker)
}

fn movement(verdict: &Verdict) -> MoveEvidence {
    let Evidence::Move(evidence) = verdict.evidence else { panic!("{verdict:?}") };
    evidence
}

/// Runs at full speed, with a clock and a stride, until something is refused; what it was and after how
/// many reports.
fn run_until_refused(
    world: &mut World,
    walker: &mut Walker,
    stride_q: i32,
    client_us: u64,
) -> Option<(Reason, u32)> {
    for step in 1..=1_500 {
        // To and fro, so that the map does not end.
        let way = if (step / 300) % 2 == 0 { stride_q } else { -stride_q };
        let input = walker.step(way, client_us);
        let verdict = arrive(world, input, STEP_US);
        if verdict.reason != Reason::Accepted {
            return Some((verdict.reason, step));
        }
    }
    None
}

const STRIDE: i32 = (SPEED as i64 * STEP_US as i64 / 1_000_000) as i32;

#[test]
fn an_honest_run_is_accepted() {
    let (mut world, mut walker) = alone();
    assert_eq!(run_until_refused(&mut world, &mut walker, STRIDE, STEP_US), None);
    world.check_fold();
}

#[test]
fn m1_a_fast_clock_is_caught_the_sooner_the_faster() {
    // Slack 100 ms and 20 ms of jitter: 120 ms / (k − 1) is the proof's time, with 0.2 % of drift forgiven.
    for (percent, most_steps) in [(105, 80), (110, 40), (125, 16), (150, 9), (200, 5)] {
        let (mut world, mut walker) = alone();
        let client_us = STEP_US * percent / 100;
        let stride = STRIDE * percent as i32 / 100;
        let (reason, steps) =
            run_until_refused(&mut world, &mut walker, stride, client_us).unwrap();
        assert_eq!(reason, Reason::Time, "{percent} %");
        assert!(steps <= most_steps, "{percent} % after {steps} reports");
    }
}

#[test]
fn m2_a_speed_beyond_the_tolerance_is_refused_when_the_burst_is_spent() {
    // What is beyond the tolerance eats 250 ms, and the bucket's refill: 250 ms / (k − 1.04), and what rounding gives.
    for (percent, few, many) in [(110, 120, 180), (120, 40, 60), (150, 14, 20), (200, 6, 10)] {
        let (mut world, mut walker) = alone();
        let (reason, steps) =
            run_until_refused(&mut world, &mut walker, STRIDE * percent / 100, STEP_US).unwrap();
        assert_eq!(reason, Reason::Speed, "{percent} %");
        assert!((few..=many).contains(&steps), "{percent} % after {steps} reports");
    }
}

#[test]
fn m2_the_burst_comes_back() {
    let (mut world, mut walker) = alone();
    for _ in 0..5 {
        // Half the burst at once, then ten seconds of rest: at 2 % it is back after 6.25 s.
        let jump = STRIDE + SPEED * 125 / 1_000;
        let input = walker.step(jump, STEP_US);
        assert_eq!(arrive(&mut world, input, STEP_US).reason, Reason::Accepted);
        for _ in 0..300 {
            let input = walker.step(0, STEP_US);
            assert_eq!(arrive(&mut world, input, STEP_US).reason, Reason::Accepted);
        }
    }
}

#[test]
fn m2_a_slow_reaches_a_client_late_and_the_old_speed_counts_meanwhile() {
    let mut world = World::started("dm", "open", &[at(-90, 0, 0)]);
    let mut walker = Walker::new(&world);
    assert_eq!(world.act(A, HASTE, None).reason, Reason::Accepted);
    assert_eq!(world.player(A).motion.speed_max(world.at_us), SPEED as u32 * 3 / 2);
    world.milliseconds(2_000);
    assert_eq!(world.player(A).motion.speed_q_per_s, SPEED as u32);
    assert_eq!(world.player(A).motion.speed_max(world.at_us), SPEED as u32 * 3 / 2);
    world.milliseconds(600);
    assert_eq!(world.player(A).motion.speed_max(world.at_us), SPEED as u32);
    let since = world.at_us + 1_000_000 - walker.client_us;
    let input = walker.step(0, since);
    assert_eq!(arrive(&mut world, input, 0).reason, Reason::Accepted);
    world.check_fold();
}

#[test]
fn m3_flying_is_refused_and_jumping_is_not() {
    let (mut world, mut walker) = alone();
    // A jump: 5.2 m/s upwards against 9.81 m/s².
    let mut t = 0_i64;
    loop {
        t += STEP_US as i64;
        let z = 5_325 * t / 1_000_000 - 10_045 * t * t / 2_000_000_000_000;
        walker.position.z = z.max(0) as i32;
        let input = walker.step(0, STEP_US);
        assert_eq!(arrive(&mut world, input, STEP_US).reason, Reason::Accepted, "{t} {z}");
        if z <= 0 {
            break;
        }
    }
    // Rising on: higher than the jump and a stair.
    let refused = (0..60).find_map(|_| {
        walker.position.z += 100;
        let input = walker.step(0, STEP_US);
        let verdict = arrive(&mut world, input, STEP_US);
        (verdict.reason != Reason::Accepted).then_some(verdict)
    });
    let verdict = refused.unwrap();
    assert_eq!(verdict.reason, Reason::Vertical);
    assert!(movement(&verdict).rise_q <= 1_412 + 512 + 100);
}

#[test]
fn m3_hovering_is_refused() {
    let (mut world, mut walker) = alone();
    walker.position.z = 600;
    let reasons: Vec<Reason> = (0..60)
        .map(|_| {
            let input = walker.step(0, STEP_US);
            arrive(&mut world, input, STEP_US).reason
        })
        .collect();
    assert_eq!(reasons[5], Reason::Accepted);
    assert!(reasons.contains(&Reason::Vertical), "{reasons:?}");
}

#[test]
fn m4_sudden_turns_are_only_suspicious() {
    let (mut world, mut walker) = alone();
    for step in 0..30 {
        let way = if step % 2 == 0 { STRIDE } else { -STRIDE };
        let input = walker.step(way, STEP_US);
        assert_eq!(arrive(&mut world, input, STEP_US).reason, Reason::Accepted);
    }
    let suspicion = world.player(A).motion.suspicion(world.at_us);
    assert!(suspicion > 1_000, "{suspicion}");
    assert!(world.player(A).motion.suspicion(world.at_us + 120_000_000) < suspicion / 10);
}

#[test]
fn m5_a_blink_is_a_teleport_and_corrected() {
    for metres in [2, 5, 20, 100] {
        let (mut world, mut walker) = alone();
        let before = world.player(A).pose.position;
        let input = walker.step(metres * 1024, STEP_US);
        let verdict = arrive(&mut world, input, STEP_US);
        assert_eq!(verdict.reason, Reason::Teleport, "{metres}");
        assert_eq!(movement(&verdict).correction, world.player(A).correction);
        assert_eq!(world.player(A).pose.position, before);
        world.check_fold();
    }
}

#[test]
fn m6_walls_and_bounds_stop_whoever_walks_into_them() {
    for (from, to, reason) in [
        // A box, a convex body, a triangle; beside each; under the triangle's slope.
        ((8, 0), (11, 0), Reason::Geometry),
        ((8, 6), (11, 6), Reason::Accepted),
        ((19, 0), (22, 0), Reason::Geometry),
        ((-22, 0), (-18, 0), Reason::Geometry),
        ((-99, 0), (-102, 0), Reason::OutOfBounds),
    ] {
        let mut content = content();
        content.rules.movement.burst_us = 2_000_000;
        let mut world = World::with(content, "dm", "walls");
        world.start(&[at(from.0, from.1, 0)]);
        let mut walker = Walker::new(&world);
        walker.position.y = to.1 * 1024;
        let input = walker.step((to.0 - from.0) * 1024, STEP_US);
        let verdict = arrive(&mut world, input, STEP_US);
        assert_eq!(verdict.reason, reason, "{from:?} → {to:?}");
        if reason == Reason::Geometry {
            assert!(movement(&verdict).wall.is_some());
        }
    }
}

#[test]
fn m6_a_wall_cannot_be_crossed_in_small_steps() {
    let mut world = World::started("dm", "walls", &[at(8, 0, 0)]);
    let mut walker = Walker::new(&world);
    let mut furthest = 0;
    for _ in 0..2_000 {
        let input = walker.step(16, STEP_US);
        if arrive(&mut world, input, STEP_US).reason != Reason::Accepted {
            walker.position = world.player(A).pose.position;
            walker.ack = world.player(A).correction;
        }
        furthest = furthest.max(world.player(A).pose.position.x);
    }
    // Three quarters of the hull's radius before the wall at 9 m.
    assert!((8_900..=9 * 1024 - 229).contains(&furthest), "{furthest}");
    world.check_fold();
}

#[test]
fn m7_duplicates_and_stamps_that_go_back_are_dropped_silently() {
    let (mut world, mut walker) = alone();
    let input = walker.step(10, STEP_US);
    assert_eq!(arrive(&mut world, input, STEP_US).reason, Reason::Accepted);
    let before = world.session.clone();
    assert_eq!(arrive(&mut world, input, 0).reason, Reason::Stale);
    let older = Move { client_us: input.client_us - 1, ..input };
    assert_eq!(arrive(&mut world, older, 0).reason, Reason::Stale);
    assert_eq!(world.session, before);
}

/// Report M1: a stall of two seconds, then forty moves at once. Nobody is corrected for it, and at most
/// 250 ms of the burst count, whatever the jitter was before.
#[test]
fn report_m1_a_stall_of_two_seconds_is_no_crime_and_no_credit() {
    let (mut world, mut walker) = alone();
    world.at_us += 2_000_000;
    let mut accepted_us = 0;
    let mut last = walker.client_us;
    for step in 0..40 {
        let input = walker.step(0, 50_000);
        let verdict = arrive(&mut world, input, 0);
        assert!(matches!(verdict.reason, Reason::Accepted | Reason::Stale), "{step} {verdict:?}");
        if verdict.reason == Reason::Accepted {
            if accepted_us > 0 {
                accepted_us += walker.client_us - last;
            } else {
                accepted_us = 1;
            }
            last = walker.client_us;
        }
    }
    assert!(accepted_us > 1 && accepted_us <= 250_001, "{accepted_us}");
    assert_eq!(world.player(A).correction, walker.ack);
    assert!(run_until_refused(&mut world, &mut walker, STRIDE, STEP_US).is_none());
    world.check_fold();
}

/// A claim of lag buys no more than that either: the stalls of a lag switch give 250 ms each, and the clock's
/// sum is what it was.
#[test]
fn a_lag_switch_gains_no_time() {
    let (mut world, mut walker) = alone();
    let start = (world.at_us, walker.client_us);
    for _ in 0..20 {
        world.at_us += 1_500_000;
        for _ in 0..50 {
            let input = walker.step(0, 31_000);
            arrive(&mut world, input, 0);
        }
    }
    let client = world.player(A).motion.clock.client_us().unwrap() - start.1;
    let passed = world.at_us - start.0;
    // 20 × 50 × 31 ms are 31 s claimed in 30 s.
    assert!(client <= passed + 1_000_000, "{client} in {passed}");
}

#[test]
fn a_sleep_of_the_client_gives_the_clocks_another_constant() {
    let (mut world, mut walker) = alone();
    // Its monotonic clock stood still for twenty seconds.
    world.at_us += 20_000_000;
    let reasons: Vec<Reason> = (0..200)
        .map(|_| {
            let input = walker.step(0, STEP_US);
            arrive(&mut world, input, STEP_US).reason
        })
        .collect();
    assert_eq!(reasons[0], Reason::Stale);
    assert!(reasons[60..].iter().all(|reason| *reason == Reason::Accepted), "{reasons:?}");
    assert_eq!(world.player(A).stats.corrections, 0);
}

/// Report M2: the game moves a player; what he had on the way is ignored until he echoes it.
#[test]
fn report_m2_moves_in_flight_at_a_teleport_are_ignored() {
    let (mut world, mut walker) = alone();
    let to = at(30, 30, 0);
    let teleport = Command::Teleport { player: A, position: to, look: Look::default() };
    assert_eq!(world.run(&teleport).reason, Reason::Accepted);
    for _ in 0..3 {
        let input = walker.step(STRIDE, STEP_US);
        let verdict = arrive(&mut world, input, STEP_US);
        assert_eq!(verdict.reason, Reason::AwaitingCorrection);
        assert_eq!(movement(&verdict).correction, walker.ack + 1);
        assert_eq!(world.player(A).pose.position, to);
    }
    // A forged echo of a correction that never was.
    walker.ack += 2;
    let input = walker.step(0, STEP_US);
    assert_eq!(arrive(&mut world, input, STEP_US).reason, Reason::AwaitingCorrection);
    walker.ack -= 1;
    walker.position = to;
    let input = walker.step(STRIDE, STEP_US);
    assert_eq!(arrive(&mut world, input, STEP_US).reason, Reason::Accepted);
    world.check_fold();
}

/// Report M3: what is no place is refused before any arithmetic. (NaN and infinities are refused where text
/// becomes numbers; here are only integers.)
#[test]
fn report_m3_impossible_numbers_are_refused() {
    let (mut world, mut walker) = alone();
    let good = walker.step(0, STEP_US);
    for bad in [
        Move { position: Vec3::new(i32::MAX, 0, 0), ..good },
        Move { position: Vec3::new(0, i32::MIN, 0), ..good },
        Move { position: Vec3::new(0, 0, WORLD_ABS_MAX_Q + 1), ..good },
        Move { client_us: u64::MAX, ..good },
        Move { look: Look { yaw: 0, pitch: i16::MIN }, ..good },
    ] {
        let before = world.session.clone();
        assert_eq!(arrive(&mut world, bad, 0).reason, Reason::Malformed);
        assert_eq!(world.session, before);
    }
    let unknown = Move { player: PlayerNo(9), ..good };
    assert_eq!(arrive(&mut world, unknown, 0).reason, Reason::UnknownPlayer);
}

/// Report M4: a server that manages ten ticks a second judges the same: budgets follow the clients' time.
#[test]
fn report_m4_a_slow_server_judges_the_same() {
    let (mut world, mut walker) = alone();
    for step in 0..300 {
        if step % 3 == 0 {
            world.run(&Command::Tick);
        }
        let input = walker.step(STRIDE, STEP_US);
        assert_eq!(arrive(&mut world, input, STEP_US).reason, Reason::Accepted);
    }
    let (reason, _) =
        run_until_refused(&mut world, &mut walker, STRIDE * 12 / 10, STEP_US).unwrap();
    assert_eq!(reason, Reason::Speed);
}

/// Exponential jitter with a mean of 150 ms, cut at 900 ms, delivered in order as TCP does: 20 players for two
/// minutes each. The naive rule flags most of their reports; none is corrected here.
#[test]
fn honest_movement_with_150_ms_of_jitter_is_not_corrected_once() {
    let mut naive = 0_u32;
    let mut reports = 0_u32;
    for player in 0..20_u64 {
        let mut world = World::started("dm", "open", &[at(-90, 0, 0)]);
        let mut walker = Walker::new(&world);
        let start_us = world.at_us;
        let mut arrival_us = 0_u64;
        let mut last = (start_us, walker.position.x);
        for step in 1..=3_600_u64 {
            let jitter = exponential_us(player * 100_000 + step, 150_000).min(900_000);
            arrival_us = arrival_us.max(step * STEP_US + jitter);
            let way = if (step / 300) % 2 == 0 { STRIDE } else { -STRIDE };
            let input = walker.step(way, STEP_US);
            world.at_us = start_us + arrival_us;
            let verdict = world.run(&Command::Move(input));
            assert_eq!(verdict.reason, Reason::Accepted, "{player} {step} {verdict:?}");
            let passed_us = (world.at_us - last.0).max(1);
            let way_q = u64::from(walker.position.x.abs_diff(last.1));
            naive += u32::from(way_q * 1_000_000 > 3 * SPEED as u64 / 2 * passed_us);
            reports += 1;
            last = (world.at_us, walker.position.x);
        }
    }
    assert!(naive * 100 / reports > 40, "the naive rule flags {naive} of {reports}");
}

/// −ln(u)·mean by repeated halving: tests need no floating point either.
pub(super) fn exponential_us(seed: u64, mean_us: u64) -> u64 {
    let chance = random::mix(&[seed, 17]);
    // Whole halvings, and a linear rest between them: within 6 % of the exponential.
    let halvings = u64::from(chance.leading_zeros());
    let rest = (chance << halvings << 1) >> 44;
    let ln2_us = mean_us * 693 / 1_000;
    halvings * ln2_us + ln2_us - ((ln2_us * rest) >> 20)
}

/// No accepted way leaves its envelope, over any window: at most full speed and tolerance for the clients'
/// time, the burst's refill, the burst, and the rounding of each report. Corrections give nothing: the
/// windows reach over them.
#[test]
fn no_accepted_track_leaves_its_envelope_over_any_window() {
    for seed in 0..30_u64 {
        let (mut world, mut walker) = alone();
        let mut track: Vec<(i64, i64)> = Vec::new();
        let mut way_q = 0_i64;
        for step in 0..400_u64 {
            let chance = random::mix(&[seed, step]);
            let stride = (chance % 600) as i32;
            let client_us = STEP_US + (chance >> 32) % 3_000;
            let position = walker.position;
            let input =
                walker.step(if chance & 1 << 60 == 0 { stride } else { -stride }, client_us);
            match arrive(&mut world, input, STEP_US + 1_600).reason {
                Reason::Accepted => {
                    way_q += i64::from(stride);
                    track.push((walker.client_us as i64, way_q));
                }
                Reason::Speed | Reason::Teleport | Reason::OutOfBounds => {
                    walker.position = position;
                    walker.ack = world.player(A).correction;
                }
                other => panic!("{other:?}"),
            }
        }
        check_envelope(&track);
    }
}

fn check_envelope(track: &[(i64, i64)]) {
    for (index, (from_us, from_q)) in track.iter().enumerate() {
        for (later, (to_us, to_q)) in track.iter().enumerate().skip(index + 1) {
            let reports = (later - index) as i64;
            let speed = i64::from(SPEED);
            let most = speed * (to_us - from_us) / 1_000_000 * 1_040 / 1_000
                + speed * i64::from(Rules::default().movement.burst_us) / 1_000_000
                + 3 * reports
                + 2;
            assert!(to_q - from_q <= most, "{} > {most} in {reports}", to_q - from_q);
        }
    }
}
