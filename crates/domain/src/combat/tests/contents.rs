//! Content: what is accepted, and what a refusal says.

use super::fixture::content;
use crate::combat::content::*;
use crate::combat::wire::Wire;
use crate::combat::*;

/// The error of a content that has been spoilt.
fn refusal(spoil: impl FnOnce(&mut Content)) -> String {
    let mut content = content();
    spoil(&mut content);
    let error = CheckedContent::new(content).unwrap_err();
    assert_eq!(error.code, crate::Code::InvalidArgument);
    assert!(!error.details.is_empty());
    error.message
}

#[test]
fn the_hash_is_that_of_the_canonical_form() {
    let checked = CheckedContent::new(content()).unwrap();
    assert_eq!(checked.hash(), content().hash());
    assert_eq!(Content::from_wire(&content().to_wire()).unwrap(), content());
    let mut other = content();
    other.weapons[0].damage += 1;
    assert_ne!(other.hash(), checked.hash());
    assert_eq!(checked.hash().to_string().len(), 64);
}

#[test]
fn every_refusal_names_its_place_and_what_is_accepted() {
    let cases: Vec<(String, &str)> = vec![
        (
            refusal(|c| c.weapons[3].range_q = -1),
            "weapons[3].range_q: accepts 1 to 16777216, found -1",
        ),
        (
            refusal(|c| c.weapons[0].rounds_per_minute = 0),
            "weapons[0].rounds_per_minute: accepts 1 to 60000",
        ),
        (
            refusal(|c| c.weapons[1].id = "rifle".into()),
            "weapons[1].id: accepts each id once, found rifle again",
        ),
        (
            refusal(|c| c.weapons[1].id = "Shot gun".into()),
            "weapons[1].id: accepts 1 to 64 lower-case",
        ),
        (refusal(|c| c.weapons[0].falloff.reverse()), "weapons[0].falloff[1].distance_q"),
        (
            refusal(|c| c.weapons[0].effects = vec![EffectNo(99)]),
            "weapons[0].effects[0]: accepts one of the 6 effects",
        ),
        (refusal(|c| c.weapons.clear()), "weapons: accepts 1 to 256 entries, found 0"),
        (
            refusal(|c| c.actions[2].cooldown_ms = u32::MAX),
            "actions[2].cooldown_ms: accepts 0 to 86400000",
        ),
        (
            refusal(|c| c.actions[2].then = Some(ActionNo(2))),
            "actions[2].then: accepts a chain that ends after at most 16, found burn → burn",
        ),
        (
            refusal(|c| {
                c.effects[0].then = Some(EffectNo(1));
                c.effects[1].then = Some(EffectNo(0));
            }),
            "effects[0].then: accepts a chain that ends after at most 16, found mending → ward → mending",
        ),
        (refusal(|c| c.effects[1].duration_ms = 0), "effects[1].duration_ms"),
        (
            refusal(|c| {
                c.effects[2].kind =
                    EffectKind::Damage { amount: 1, period_ms: 1, ignores_armour: false }
            }),
            "effects[2].period_ms: accepts 100",
        ),
        (refusal(|c| c.modes[1].teams = 1), "modes[1].teams: accepts 2 to 16, found 1"),
        (
            refusal(|c| c.modes[0].weapons = vec![WeaponNo(4)]),
            "modes[0].weapons[0]: accepts one of the 4 weapons",
        ),
        (refusal(|c| c.modes[3].armour = Some(ArmourNo(1))), "modes[3].armour"),
        (refusal(|c| c.maps[0].spawns.clear()), "maps[0].spawns: accepts 1 to 256 entries"),
        (refusal(|c| c.maps[0].spawns[1].position.x = 1 << 20), "maps[0].spawns[1].position"),
        (refusal(|c| c.maps[0].bounds.min.x = 1 << 23), "maps[0].bounds"),
        (
            refusal(|c| c.maps[1].solids[3].shape = Shape::Triangle([Vec3::ZERO; 3])),
            "maps[1].solids[3].triangle: accepts three corners that are not in one line",
        ),
        (
            refusal(|c| {
                c.maps[1].solids[0].shape =
                    Shape::Box(Aabb::new(Vec3::ZERO, Vec3::new(i32::MAX, 0, 0)));
            }),
            "maps[1].solids[0].box: accepts coordinates of",
        ),
        (
            refusal(|c| {
                let plane = Plane { normal: Vec3::ZERO, offset: 0 };
                let bounds = c.maps[0].bounds;
                c.maps[1].solids[2].shape = Shape::Convex(Convex { bounds, planes: vec![plane] });
            }),
            "maps[1].solids[2].convex.planes[0].normal: accepts 1",
        ),
        (refusal(|c| c.body.standing.volumes.clear()), "body.standing.volumes"),
        (refusal(|c| c.rules.tick_hz = 9), "rules.tick_hz: accepts 10 to 128, found 9"),
        (
            refusal(|c| c.rules.spectate.delay_s = 45),
            "rules.spectate.delay_s: accepts 0, 10, 30, 60 or 120",
        ),
        (refusal(|c| c.rules.movement.jitter_min_us = 2_000_000), "rules.movement.jitter_min_us"),
        (
            refusal(|c| c.rules.rewind.rewind_max_ms = 501),
            "rules.rewind.rewind_max_ms: accepts 0 to 500",
        ),
    ];
    for (message, expected) in cases {
        assert!(message.starts_with(expected), "{message}\nexpected {expected}");
    }
}

#[test]
fn all_problems_are_told_together() {
    let message = refusal(|c| {
        c.weapons[0].pellets = 0;
        c.weapons[1].pellets = 200;
        c.rules.tick_hz = 1_000;
    });
    assert!(message.ends_with("and 2 more problems"), "{message}");
}

/// A map of a thousand million triangles does not get this far: the service bounds the file. One more than
/// is accepted is told as a number.
#[test]
fn too_many_triangles_are_counted() {
    let message = refusal(|c| {
        let triangle = c.maps[1].solids[3].clone();
        c.maps[0].solids = vec![triangle; limits::SOLIDS_MAX + 1];
    });
    assert_eq!(message, "maps[0].solids: accepts 0 to 65536 entries, found 65537");
}
