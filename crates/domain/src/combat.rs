//! Rules of combat: sessions, movement, shots, damage, actions, rounds.
//!
//! A [`Session`] is a pure fold over its log of [`Record`]s. A [`Command`] says what a caller wants;
//! [`Session::execute`] judges it by the [`Rules`] and the [`CheckedContent`] and answers with a
//! [`Verdict`] that holds its evidence, and with the records to store. There is no clock, no
//! floating-point number and no chance that the log does not repeat: the same log gives the same
//! [`StateHash`] in every build on every machine.

mod command;
pub mod content;
mod decide;
mod effect;
mod event;
mod fixed;
pub mod geometry;
mod ids;
mod random;
mod session;
mod stats;
mod verdict;
mod verify;
pub mod wire;

pub use command::{Act, Command, Move, Shot};
pub use content::{CheckedContent, Content, ContentHash, Rules};
pub use decide::{Decision, NAME_BYTES_MAX, NewSession};
pub use effect::{EffectEnd, EffectKey, EffectState};
pub use event::{
    Acted, ActionRefused, Carried, Cause, Corrected, Created, Damaged, Died, End, EndReason, Event,
    Fired, LeaveReason, Moved, Prepared, Projectile, Record, ShotRefused, Spawned, Worn,
};
pub use fixed::{
    DIRECTION_ONE, Direction, Look, QUANTA_PER_M, Vec3, WORLD_ABS_MAX_Q, angle_units, cos_q30,
    quanta, sin_q30, sqrt_up,
};
pub use ids::{
    ActionNo, ArmourNo, EffectNo, MapNo, PlayerNo, ProjectileNo, TeamNo, Tick, WeaponNo,
};
pub use session::{
    ANSWERS_MAX, ActionState, Answer, Answers, CLIENT_US_MAX, Cast, ClientClock, ClockSample,
    Contribution, History, KEYFRAME_VERSION, Life, Motion, Numbered, PLAYERS_EVER_MAX, PLAYERS_MAX,
    PROJECTILES_MAX, Player, Pose, Round, Sample, Seen, Session, StateHash, Step, WeaponState,
};
pub use stats::{PlayerStats, Ratio};
pub use verdict::{
    ActionEvidence, Evidence, MoveEvidence, Outcome, Reason, SeatEvidence, ShotEvidence, Status,
    Verdict,
};
pub use verify::Difference;

#[cfg(test)]
mod tests;
