//! How real people move: a recorded match, played through the rules of movement.
//!
//! The cars of the game go at most 2,300 of its units a second, which the game itself enforces; so every
//! report of the recording is honest, and whatever is corrected is corrected wrongly.

use std::collections::BTreeMap;

use boxcars::{Attribute, Frame, ParserBuilder};

use super::fixture::*;
use super::movement::exponential_us;
use crate::combat::content::*;
use crate::combat::*;

const MATCH: &[u8] = include_bytes!("../../../fixtures/match.replay");

/// A unit of the recording is 10 quanta: the field is 80 m long then.
const QUANTA: f32 = 10.0;
const SPEED_Q_PER_S: u32 = 23_000;
/// The game's own limit, and what rounding adds.
const SPEED_MAX: f32 = 2_300.5;

/// Shorter ways say little.
const SECONDS_MIN: u64 = 5;

/// A stretch of one car without a gap, a goal or a demolition in it: microseconds and places.
type Way = Vec<(u64, Vec3)>;

fn ways() -> Vec<Way> {
    let replay = ParserBuilder::new(MATCH).must_parse_network_data().parse().unwrap();
    let is_car: Vec<bool> =
        replay.objects.iter().map(|name| name.starts_with("Archetypes.Car.Car_")).collect();
    let mut cars: BTreeMap<i32, Car> = BTreeMap::new();
    let mut done = Vec::new();
    for frame in &replay.network_frames.unwrap().frames {
        look(frame, &is_car, &mut cars, &mut done);
    }
    done.extend(cars.into_values().map(|car| car.way));
    done.retain(|way| way.last().is_some_and(|(end, _)| end - way[0].0 >= SECONDS_MIN * 1_000_000));
    done
}

#[derive(Default)]
struct Car {
    last: Option<(f32, [f32; 3])>,
    way: Way,
}

fn look(frame: &Frame, is_car: &[bool], cars: &mut BTreeMap<i32, Car>, done: &mut Vec<Way>) {
    for actor in &frame.deleted_actors {
        done.extend(cars.remove(&actor.0).map(|car| car.way));
    }
    for actor in &frame.new_actors {
        if is_car[actor.object_id.0 as usize] {
            done.extend(cars.insert(actor.actor_id.0, Car::default()).map(|car| car.way));
        }
    }
    for update in &frame.updated_actors {
        let Some(car) = cars.get_mut(&update.actor_id.0) else { continue };
        let Attribute::RigidBody(body) = &update.attribute else { continue };
        let place = [body.location.x, body.location.y, body.location.z];
        if let Some((time, from)) = car.last {
            let passed = frame.time - time;
            let way = place.iter().zip(from).map(|(to, from)| (to - from).powi(2)).sum::<f32>();
            // Put somewhere else by the game.
            if passed > 3.0 || way.sqrt() > 350.0 + 1.2 * SPEED_MAX * passed {
                done.push(std::mem::take(&mut car.way));
            }
        }
        car.last = Some((frame.time, place));
        let [x, y, z] = place.map(|axis| (axis * QUANTA) as i32);
        car.way.push(((frame.time * 1_000_000.0) as u64, Vec3::new(x, y, z)));
    }
}

/// A content in which people drive and fly as in the recording; every other rule is the one that ships.
fn field() -> Content {
    let mut content = content();
    content.rules.movement.speed_q_per_s = SPEED_Q_PER_S;
    content.rules.movement.vertical = None;
    content
}

/// What became of the reports of one way.
#[derive(Debug, Default)]
struct Tally {
    reports: u32,
    refused: Vec<(usize, Verdict)>,
    /// Reports that were farther from the one before than the time between their arrivals allows.
    naive: u32,
}

fn drive(way: &Way, jitter_us: u64, seed: u64) -> Tally {
    let (start_us, from) = way[0];
    let mut world = World::with(field(), "dm", "open");
    world.start(&[from]);
    let player = PlayerNo(0);
    let (begin_us, ack) = (world.at_us, world.player(player).correction);
    let (mut arrival_us, mut last) = (0, (begin_us, from));
    let mut tally = Tally::default();
    for (number, (time_us, place)) in way.iter().enumerate() {
        let delay_us = match jitter_us {
            0 => 0,
            mean => exponential_us(seed * 1_000_000 + number as u64, mean).min(6 * mean),
        };
        // TCP delivers in order.
        arrival_us = (time_us - start_us + delay_us).max(arrival_us);
        world.at_us = begin_us + arrival_us;
        let input = Move {
            player,
            client_us: 2_000_000 + begin_us + (time_us - start_us),
            position: *place,
            correction_ack: ack,
            ..Move::default()
        };
        let verdict = world.run(&Command::Move(input));
        tally.reports += 1;
        if !matches!(verdict.reason, Reason::Accepted | Reason::Stale) {
            tally.refused.push((number, verdict));
            break;
        }
        let passed_us = (world.at_us - last.0).max(1);
        let way_q = place.minus(last.1).length_q() as u64;
        tally.naive += u32::from(way_q * 1_000_000 > u64::from(SPEED_Q_PER_S) * 3 / 2 * passed_us);
        last = (world.at_us, *place);
    }
    tally
}

/// People who drive honestly are not corrected once by the rules that ship, with 150 ms of jitter on their lines;
/// a rule that compares distances with arrival times would take most of their reports for a crime.
#[test]
fn real_people_are_not_corrected_once() {
    let ways = ways();
    let (mut reports, mut naive) = (0, 0);
    for (number, way) in ways.iter().enumerate() {
        for (jitter_us, seed) in [(0, 0), (20_000, 1), (150_000, 2), (150_000, 3)] {
            let tally = drive(way, jitter_us, seed * 1_000 + number as u64);
            assert!(tally.refused.is_empty(), "way {number}, {jitter_us} µs: {:?}", tally.refused);
            if jitter_us == 150_000 {
                reports += tally.reports;
                naive += tally.naive;
            }
        }
    }
    let seconds: u64 = ways.iter().map(|way| (way[way.len() - 1].0 - way[0].0) / 1_000_000).sum();
    // The recording is one in which people drive.
    assert!(ways.len() >= 20 && seconds > 300, "{} ways, {seconds} s", ways.len());
    assert!(naive * 100 / reports > 30, "the naive rule flags {naive} of {reports}");
}

/// The same ways, driven half as fast again: whoever drives at full speed is corrected. So the rules did look
/// at the reports above.
#[test]
fn whoever_drives_faster_than_the_game_allows_is_corrected() {
    let ways = ways();
    let faster = |way: &Way| -> Way {
        way.iter().map(|(us, p)| (*us, Vec3::new(p.x * 3 / 2, p.y * 3 / 2, p.z))).collect()
    };
    let corrected = ways.iter().filter(|way| !drive(&faster(way), 150_000, 9).refused.is_empty());
    let corrected = corrected.count();
    assert!(corrected * 2 > ways.len(), "{corrected} of {}", ways.len());
}
