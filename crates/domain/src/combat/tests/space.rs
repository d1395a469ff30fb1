//! Fixed point, rays and the tree.

use proptest::prelude::*;

use super::fixture::at;
use crate::combat::content::*;
use crate::combat::geometry::{Bvh, Mover, Ray};
use crate::combat::*;

fn coordinate() -> impl Strategy<Value = i32> {
    prop_oneof![
        Just(WORLD_ABS_MAX_Q),
        Just(-WORLD_ABS_MAX_Q),
        -WORLD_ABS_MAX_Q..=WORLD_ABS_MAX_Q,
        -50_000..50_000,
    ]
}

fn point() -> impl Strategy<Value = Vec3> {
    (coordinate(), coordinate(), coordinate()).prop_map(|(x, y, z)| Vec3::new(x, y, z))
}

fn look() -> impl Strategy<Value = Look> {
    (any::<u16>(), -Look::PITCH_ABS_MAX..=Look::PITCH_ABS_MAX)
        .prop_map(|(yaw, pitch)| Look::new(yaw, pitch))
}

fn near() -> impl Strategy<Value = Vec3> {
    (-9_000..9_000, -9_000..9_000, 0..4_000).prop_map(|(x, y, z)| Vec3::new(x, y, z))
}

fn solid() -> impl Strategy<Value = Solid> {
    let around = |a: Vec3, b: Vec3| Aabb::new(a, a).around(Aabb::new(b, b));
    let plane = (near(), -9_000_000..9_000_000_i64)
        .prop_map(|(normal, offset)| Plane { normal: normal.raised(1), offset });
    let shape = prop_oneof![
        (near(), near()).prop_map(move |(a, b)| Shape::Box(around(a, b))),
        (near(), near(), proptest::collection::vec(plane, 1..4))
            .prop_map(move |(a, b, planes)| Shape::Convex(Convex { bounds: around(a, b), planes })),
        (near(), near(), near()).prop_map(|(a, b, c)| Shape::Triangle([a, b, c])),
    ];
    (shape, 0..3_000_u32).prop_map(|(shape, density_permille)| Solid { shape, density_permille })
}

#[test]
fn the_sine_is_that_of_the_books() {
    for angle in 0..=u16::MAX {
        let exact = (f64::from(angle) * std::f64::consts::TAU / 65_536.0).sin();
        let error = (f64::from(sin_q30(angle)) / f64::from(1 << 30) - exact).abs();
        assert!(error < 1.0 / f64::from(1 << 21), "{angle}: {error}");
        assert_eq!(sin_q30(angle), -sin_q30(angle.wrapping_neg()));
        assert_eq!(cos_q30(angle), sin_q30(angle.wrapping_add(16_384)));
    }
    assert_eq!((sin_q30(0), sin_q30(16_384), sin_q30(49_152)), (0, 1 << 30, -(1 << 30)));
}

#[test]
fn roots_are_rounded_up() {
    for root in [0_i64, 1, 2, 1_000, 3_037_000_499] {
        assert_eq!(sqrt_up(root * root), root);
        assert_eq!(sqrt_up(root * root + 1), root + 1);
    }
    assert_eq!(sqrt_up(-5), 0);
    assert_eq!(sqrt_up(i64::MAX), 3_037_000_500);
    assert_eq!((quanta(3, 500), angle_units(360_000), angle_units(200)), (3_584, 65_536, 37));
}

#[test]
fn a_ray_meets_what_is_before_it() {
    let ray = Ray::new(Vec3::ZERO, Look::default().direction());
    let met = ray.sphere(at(10, 0, 0), 1_024).unwrap();
    assert_eq!((met.enter, met.exit), (9 * 1_024, 11 * 1_024));
    assert_eq!(ray.sphere(at(-10, 0, 0), 1_024), None);
    assert_eq!(ray.sphere(at(10, 2, 0), 1_024), None);
    // Touching is meeting; starting within is meeting at once.
    assert!(ray.sphere(at(10, 1, 0), 1_024).is_some());
    assert_eq!(ray.sphere(Vec3::new(100, 0, 0), 1_024).unwrap().enter, 0);
    let upright = |bottom: Vec3, top_z| ray.capsule(bottom, top_z, 512);
    assert_eq!(upright(at(10, 0, -3), 4_096).unwrap().enter, 10 * 1_024 - 512);
    assert!(upright(at(10, 0, 1), 4_096).is_none());
    // Down the axis.
    let down = Ray::new(at(10, 0, 9), Look::new(0, -16_384).direction());
    let met = down.capsule(at(10, 0, 0), 2_048, 512).unwrap();
    assert_eq!((met.enter, met.exit), (7 * 1_024 - 512, 9 * 1_024 + 512));
}

proptest! {
    #[test]
    fn directions_have_length_one(look in look()) {
        let squared = look.direction().squared();
        prop_assert!((squared - DIRECTION_ONE * DIRECTION_ONE).abs() < 1 << 18, "{}", squared);
        prop_assert!(look.direction().is_within(look.direction(), 1));
    }

    #[test]
    fn angles_between_directions(yaw in any::<u16>(), other in -16_000..16_000_i32, limit in 0..20_000_u32) {
        let one = Look::new(yaw, 0).direction();
        let two = Look::new(yaw.wrapping_add(other as u16), 0).direction();
        let within = one.is_within(two, limit);
        // Rounding to 1/65536 decides within two units of angle.
        if other.unsigned_abs() + 2 < limit {
            prop_assert!(within);
        } else if other.unsigned_abs() > limit + 40 {
            prop_assert!(!within);
        }
    }

    /// Nothing overflows anywhere in the world: these run with overflow checks.
    #[test]
    fn nothing_overflows(
        (from, to, centre) in (point(), point(), point()),
        look in look(),
        radius in 1..20_000_i32,
        height in 0..100_000_i32,
        solid in solid(),
        part in 0..=256_i64,
    ) {
        let ray = Ray::new(from, look.direction());
        let met = ray.sphere(centre, radius);
        if let Some(met) = met {
            prop_assert!(0 <= met.enter && met.enter <= met.exit);
            prop_assert!(ray.may_meet_sphere(centre, radius));
        }
        let top = (centre.z + height).min(WORLD_ABS_MAX_Q);
        if let Some(met) = ray.capsule(centre, top, radius) {
            prop_assert!(0 <= met.enter && met.enter <= met.exit);
        }
        let middle = from.towards(to, part, 256);
        prop_assert!(middle.is_in_world());
        let tree = Bvh::new(&[solid, Solid { shape: Shape::Triangle([from, to, centre]), density_permille: 0 }]);
        tree.walls(&ray, 1 << 26);
        let mover = Mover { half_width_q: 300, bottom_q: 500, top_q: 1_800 };
        tree.bump(&mover, from, to);
        tree.carries(300, from, 512);
        tree.sees(from, to);
        Ray::towards(from, to);
    }

    /// What the tree finds is what looking at every solid finds.
    #[test]
    fn the_tree_finds_what_a_list_finds(
        solids in proptest::collection::vec(solid(), 1..60),
        ways in proptest::collection::vec((near(), look(), near()), 1..20),
    ) {
        let tree = Bvh::new(&solids);
        let alone: Vec<Bvh> = solids.iter().map(|solid| Bvh::new(std::slice::from_ref(solid))).collect();
        let mover = Mover { half_width_q: 230, bottom_q: 512, top_q: 1_843 };
        for (from, look, to) in ways {
            let ray = Ray::new(from, look.direction());
            let up_to = to.minus(from).length_q();
            let mut all: Vec<_> = alone.iter().flat_map(|one| one.walls(&ray, up_to).as_slice().to_vec()).collect();
            all.sort_unstable();
            all.truncate(16);
            let walls = tree.walls(&ray, up_to);
            prop_assert_eq!(walls.as_slice(), &all[..]);
            let bumps = alone.iter().any(|one| one.bump(&mover, from, to).is_some());
            prop_assert_eq!(tree.bump(&mover, from, to).is_some(), bumps);
            let sees = alone.iter().all(|one| one.sees(from, to));
            prop_assert_eq!(tree.sees(from, to), sees);
        }
    }

    /// A mover who is told that nothing is in his way did not cross a box: no point of a fine walk along the
    /// way lies within it.
    #[test]
    fn no_way_through_a_box_is_overlooked(from in near(), to in near(), a in near(), b in near()) {
        let block = Aabb::new(a, a).around(Aabb::new(b, b));
        let tree = Bvh::new(&[Solid { shape: Shape::Box(block), density_permille: 0 }]);
        let mover = Mover { half_width_q: 200, bottom_q: 400, top_q: 1_800 };
        let touches = |feet: Vec3| {
            let low = feet.plus(Vec3::new(-198, -198, 402));
            let high = feet.plus(Vec3::new(198, 198, 1_798));
            Aabb::new(low, high).touches(&block)
        };
        let crossed = (0..=400).any(|step| touches(from.towards(to, step, 400)));
        if crossed && !touches(from) && tree.bump(&mover, from, to).is_none() {
            // Only he who was within already may leave.
            let inside = Aabb::new(from.plus(Vec3::new(-200, -200, 400)), from.plus(Vec3::new(200, 200, 1_800)));
            prop_assert!(inside.touches(&block));
        }
    }
}
