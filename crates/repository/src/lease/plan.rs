//! What a member does about the lanes: the rule alone.

use uuid::Uuid;

use super::{Membership, assign};
use crate::Lane;

/// The lanes that one member takes, and those that it gives away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves {
    /// They belong to it, and nobody has them.
    pub claim: Vec<Lane>,
    /// They are its own and belong to these.
    pub hand_over: Vec<(Lane, Uuid)>,
}

impl Moves {
    /// What `me` does as one of the members. A lane that another has is waited for: that one sees the
    /// same membership and hands it over when its writes have ended, or its lease ends.
    pub fn of(me: Uuid, membership: &Membership) -> Self {
        Self::towards(me, membership, &membership.ids())
    }

    /// What `me` does to go: everything that it has goes to those who stay.
    pub fn to_leave(me: Uuid, membership: &Membership) -> Self {
        let mut staying = membership.ids();
        staying.retain(|member| *member != me);
        Self::towards(me, membership, &staying)
    }

    fn towards(me: Uuid, membership: &Membership, members: &[Uuid]) -> Self {
        let mut moves = Self::default();
        let belongs = assign(members, membership.lanes.len() as u16);
        for ((lane, belongs), present) in (0..).map(Lane).zip(belongs).zip(&membership.lanes) {
            match present.owner {
                None if belongs == me => moves.claim.push(lane),
                Some(owner) if owner == me && belongs != me => {
                    moves.hand_over.push((lane, belongs));
                }
                _ => {}
            }
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LaneOwner, Member};
    use super::*;

    fn membership(members: &[Uuid], owners: &[Option<Uuid>]) -> Membership {
        let member = |id: &Uuid| Member { id: *id, address: String::new() };
        let lane = |owner: &Option<Uuid>| LaneOwner { owner: *owner, epoch: 1 };
        Membership {
            members: members.iter().map(member).collect(),
            lanes: owners.iter().map(lane).collect(),
        }
    }

    /// All do what they should, one after another, until nobody has anything to do.
    fn settle(members: &[Uuid], owners: &mut [Option<Uuid>]) -> usize {
        for step in 0.. {
            let mut quiet = true;
            for me in members {
                let Moves { claim, hand_over } = Moves::of(*me, &membership(members, owners));
                quiet &= claim.is_empty() && hand_over.is_empty();
                for lane in claim {
                    assert!(owners[usize::from(lane.0)].replace(*me).is_none());
                }
                for (lane, to) in hand_over {
                    assert_eq!(owners[usize::from(lane.0)].replace(to), Some(*me));
                }
            }
            if quiet {
                return step;
            }
        }
        unreachable!()
    }

    #[test]
    fn members_come_to_rest_where_the_rule_says() {
        let members: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        let mut owners = vec![None; 10];
        for n in [1, 2, 4, 3] {
            let present = &members[..n];
            // The lease of one who went is over.
            for owner in &mut owners {
                *owner = owner.filter(|owner| present.contains(owner));
            }
            assert_eq!(settle(present, &mut owners), 1);
            let rule: Vec<Option<Uuid>> = assign(present, 10).into_iter().map(Some).collect();
            assert_eq!(owners, rule);
        }
    }

    #[test]
    fn who_leaves_gives_everything_to_those_who_stay() {
        let members: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let owners: Vec<Option<Uuid>> = assign(&members, 9).into_iter().map(Some).collect();
        let moves = Moves::to_leave(members[0], &membership(&members, &owners));
        assert!(moves.claim.is_empty());
        assert_eq!(moves.hand_over.len(), 3);
        assert!(moves.hand_over.iter().all(|(_, to)| members[1..].contains(to)));
        // The last one has nobody to give them to.
        let alone = Moves::to_leave(members[0], &membership(&members[..1], &owners));
        assert_eq!(alone, Moves::default());
    }
}
