//! The life of a session, and who is in it.

use super::fixture::*;
use crate::combat::*;

#[test]
fn a_session_is_played_and_folds_to_the_same() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    let verdict = world.shoot(PlayerNo(0), PlayerNo(1));
    assert_eq!(verdict.reason, Reason::Hit, "{verdict:?}");
    assert_eq!(world.player(PlayerNo(1)).health, 70);
    world.check_fold();
}
