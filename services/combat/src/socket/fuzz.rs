//! Frames from anywhere: whatever a client sends is a frame or an error, and whatever it asks for is judged.

use axum::extract::ws::Message;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::client_frame::Message as Said;
use gamemesh_domain::combat::{Command, NewSession, PlayerNo, Record, Session};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use prost::Message as _;

use super::codec::Codec;
use crate::content::shipped;
use crate::convert::Named;
use crate::convert::input::{self, Line};
use crate::shard::command::Input;

fn vector() -> impl Strategy<Value = Option<pb::Vector>> {
    let axis = prop_oneof![Just(0), -60_000..60_000_i32, any::<i32>()];
    let place = (axis.clone(), axis.clone(), axis).prop_map(|(x, y, z)| pb::Vector { x, y, z });
    proptest::option::weighted(0.9, place)
}

fn look() -> impl Strategy<Value = (u32, i32)> {
    let yaw = prop_oneof![4 => 0..65_536_u32, 1 => any::<u32>()];
    let pitch = prop_oneof![4 => -16_384..16_385_i32, 1 => any::<i32>()];
    (yaw, pitch)
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..40_u64, 1 => any::<u64>()]
}

fn name(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![4 => select(known).prop_map(str::to_owned), 1 => ".{0,12}"]
}

/// One message, of any kind, with values that a client may and may not send.
fn said() -> impl Strategy<Value = Said> {
    const WEAPONS: &[&str] = &["", "rifle", "pistol", "grenade", "knife"];
    const ACTIONS: &[&str] = &["dash", "barrier", "ignite", "daze", "bandage"];
    const PLAYERS: &[&str] = &["", "ada", "bob"];
    let going = (vector(), look(), name(&["", "stand", "crouch", "prone"]), any::<u32>()).prop_map(
        |(position, (yaw, pitch), pose, correction_ack)| {
            Said::Move(pb::Move { position, yaw, pitch, pose, correction_ack })
        },
    );
    let shot = (number(), number(), name(WEAPONS), vector(), look(), name(PLAYERS)).prop_map(
        |(number, view_tick_q8, weapon, origin, (yaw, pitch), claimed_target_id)| {
            Said::Shot(pb::Shot {
                number,
                view_tick_q8,
                weapon,
                origin,
                yaw,
                pitch,
                claimed_target_id,
                ..pb::Shot::default()
            })
        },
    );
    let action = (number(), name(ACTIONS), name(PLAYERS), any::<i32>()).prop_map(
        |(number, action, target_id, ack)| {
            Said::Action(pb::UseAction { number, action, target_id, ack })
        },
    );
    prop_oneof![
        4 => going,
        4 => shot,
        2 => action,
        1 => any::<i32>().prop_map(|ack| Said::Reload(pb::Reload { ack })),
        1 => name(WEAPONS).prop_map(|weapon| Said::Equip(pb::Equip { weapon, ack: 0 })),
        1 => any::<u32>().prop_map(|correction_id| {
            Said::CorrectionAck(pb::CorrectionAck { correction_id })
        }),
        1 => any::<u64>().prop_map(|client_time_us| Said::Ping(pb::Ping { client_time_us })),
    ]
}

fn frame() -> impl Strategy<Value = pb::ClientFrame> {
    let clock = prop_oneof![4 => 0..60_000_000_u64, 1 => any::<u64>()];
    (any::<u32>(), clock, any::<u32>(), said()).prop_map(
        |(seq, client_time_us, snapshot_ack, said)| pb::ClientFrame {
            seq,
            client_time_us,
            snapshot_ack,
            message: Some(said),
        },
    )
}

/// A few bytes of something are others, are missing, or are there twice.
fn spoilt(bytes: &[u8], changes: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, kind, byte) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match kind % 4 {
            0 => bytes[at] = *byte,
            1 => bytes[at] ^= 1 << (byte % 8),
            2 => bytes.truncate(at),
            _ => bytes.insert(at, *byte),
        }
    }
    bytes
}

fn read_both(bytes: &[u8]) {
    // Whatever it is, reading it neither panics nor asks for more than it has.
    let _ = Codec::Proto.read(&Message::Binary(bytes.to_vec().into()));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Codec::Json.read(&Message::text(text));
    }
}

fn played() -> Session {
    let content = shipped();
    let new = NewSession {
        session_id: "s-1".to_owned(),
        name: String::new(),
        kind: "match".to_owned(),
        max_players: 4,
        map_id: "foundry".to_owned(),
        mode_id: "deathmatch".to_owned(),
        seed: 7,
        rules: None,
    };
    let mut session = Session::begin(&new.create(&content).unwrap()).unwrap();
    for player in ["ada", "bob"] {
        let join = Command::Join { player_id: player.to_owned(), team: None };
        session.execute(&content, &join, 0);
    }
    session.execute(&content, &Command::Start, 0);
    session
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The same message in both sub-protocols is the same message.
    #[test]
    fn both_sub_protocols_say_the_same(frame in frame()) {
        let binary = Message::Binary(frame.encode_to_vec().into());
        prop_assert_eq!(Codec::Proto.read(&binary).unwrap(), Some(frame.clone()));
        let text = super::codec::client_json(&frame).unwrap();
        prop_assert_eq!(Codec::Json.read(&Message::text(text)).unwrap(), Some(frame));
    }

    #[test]
    fn bytes_from_anywhere_are_a_frame_or_an_error(bytes in vec(any::<u8>(), 0..300)) {
        read_both(&bytes);
    }

    #[test]
    fn spoilt_frames_are_a_frame_or_an_error(
        frame in frame(),
        changes in vec((any::<Index>(), any::<u8>(), any::<u8>()), 1..6),
    ) {
        read_both(&spoilt(&frame.encode_to_vec(), &changes));
        read_both(&spoilt(super::codec::client_json(&frame).unwrap().as_bytes(), &changes));
    }

    #[test]
    fn text_that_looks_like_json_is_a_frame_or_an_error(text in "[\\[\\]{}:,\"a-z0-9.eE+-]{0,200}") {
        read_both(text.as_bytes());
    }

    /// What can be read is judged: no value of any field breaks a session, and its log folds to it.
    #[test]
    fn whatever_is_asked_for_is_judged(
        steps in vec((frame(), any::<bool>(), 0..200_000_u64, any::<u32>()), 1..40),
    ) {
        let content = shipped();
        let mut session = played();
        let begun = session.keyframe();
        let (mut log, mut at_us): (Vec<Record>, u64) = (Vec::new(), 0);
        for (frame, is_ada, later_us, acked) in steps {
            at_us += later_us;
            let decision = session.execute(&content, &Command::Tick, at_us);
            log.extend(decision.records);
            let input = match frame.message {
                Some(Said::Move(said)) => Input::Move(said),
                Some(Said::Shot(said)) => Input::Shot(said),
                Some(Said::Action(said)) => Input::Action(said),
                Some(Said::Reload(said)) => Input::Reload(said),
                Some(Said::Equip(said)) => Input::Equip(said),
                Some(Said::CorrectionAck(said)) => Input::CorrectionAck(said.correction_id),
                _ => continue,
            };
            let player = PlayerNo(u16::from(!is_ada));
            let line = Line {
                client_us: frame.client_time_us,
                acked,
                written: session.tick.0,
                correction_ack: frame.snapshot_ack,
            };
            let named = Named { state: &session, content: &content };
            let Ok(Some(command)) = input::command(named, player, &input, line) else { continue };
            let decision = session.execute(&content, &command, at_us);
            log.extend(decision.records);
        }
        let mut folded = Session::from_keyframe(&begun).unwrap();
        for record in &log {
            folded.apply(record).unwrap();
        }
        prop_assert_eq!(folded.state_hash(), session.state_hash());
    }
}
