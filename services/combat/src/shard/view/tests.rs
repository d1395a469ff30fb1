use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A client that knows nothing but what it is sent.
#[derive(Debug, Default, PartialEq)]
struct Client {
    players: BTreeMap<u32, pb::Entity>,
    scores: Vec<i32>,
}

impl Client {
    fn take(&mut self, snapshot: pb::Snapshot) {
        if snapshot.baseline.is_none() {
            *self = Self::default();
        }
        for seat in snapshot.removed {
            self.players.remove(&seat);
        }
        for new in snapshot.entities {
            let known = self.players.entry(new.seat).or_default();
            let old = std::mem::take(known);
            *known = pb::Entity {
                seat: new.seat,
                position: new.position.or(old.position),
                yaw: new.yaw.or(old.yaw),
                pitch: new.pitch.or(old.pitch),
                pose: new.pose.or(old.pose),
                health: new.health.or(old.health),
                armor: new.armor.or(old.armor),
                shield: new.shield.or(old.shield),
                alive: new.alive.or(old.alive),
                weapon: new.weapon.or(old.weapon),
                magazine: new.magazine.or(old.magazine),
                effects: new.effects.or(old.effects),
                score: new.score.or(old.score),
                kills: new.kills.or(old.kills),
                deaths: new.deaths.or(old.deaths),
                generation: new.generation.or(old.generation),
                team: new.team.or(old.team),
                player_id: if new.player_id.is_empty() { old.player_id } else { new.player_id },
            };
        }
        if !snapshot.team_scores.is_empty() {
            self.scores = snapshot.team_scores;
        }
    }
}

#[derive(Debug, Clone)]
struct Step {
    players: Vec<Option<Seen>>,
    scores: Vec<i32>,
    sent: bool,
}

fn player() -> impl Strategy<Value = Option<Seen>> {
    let some = (0..3_i32, 0..3_u16, 0..2_i32, any::<bool>(), 0..2_u32, 0..3_usize).prop_map(
        |(x, yaw, health, alive, kills, effects)| Seen {
            player_id: "p".to_owned(),
            position: [x, 0, 0],
            yaw,
            health,
            alive,
            kills,
            effects: ["burning".to_owned(), "fast".to_owned()][..effects.min(2)].to_vec(),
            pose: "stand",
            ..Seen::default()
        },
    );
    prop_oneof![4 => some.prop_map(Some), 1 => Just(None)]
}

fn step() -> impl Strategy<Value = Step> {
    let players = prop::collection::vec(player(), 4);
    (players, 0..2_i32, prop::bool::weighted(0.4)).prop_map(|(players, score, sent)| Step {
        players,
        scores: vec![score, 7],
        sent,
    })
}

proptest! {
    /// Whatever frames a slow client misses: after each that it gets, it knows what is.
    #[test]
    fn a_client_that_gets_some_frames_knows_everything(steps in prop::collection::vec(step(), 1..40)) {
        let (mut view, mut client, mut baseline) = (View::default(), Client::default(), None);
        for (at, step) in steps.into_iter().enumerate() {
            view.update(at as u32 + 1, step.players.into_iter(), &step.scores);
            if step.sent {
                client.take(view.since(baseline));
                baseline = Some(view.number());
                let mut fresh = Client::default();
                fresh.take(view.since(None));
                prop_assert_eq!(&client, &fresh);
            }
        }
    }
}

#[test]
fn an_entity_that_went_during_a_gap_is_gone() {
    let someone = || Some(Seen { player_id: "p".to_owned(), ..Seen::default() });
    let mut view = View::default();
    view.update(1, [someone(), someone()].into_iter(), &[]);
    view.update(2, [someone(), None].into_iter(), &[]);
    view.update(3, [someone(), None].into_iter(), &[]);
    assert_eq!(view.since(Some(1)).removed, [1]);
    assert!(view.since(Some(2)).removed.is_empty());
    assert_eq!(view.since(None).entities.len(), 1);
    assert!(view.since(Some(3)).entities.is_empty());
}
