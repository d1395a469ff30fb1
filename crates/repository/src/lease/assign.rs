//! The rule by which lanes are assigned to members.

use std::collections::HashMap;

use uuid::Uuid;

/// The member to which each lane belongs, in the order of the lanes; empty without members.
///
/// Rendezvous hashing, with the same number of lanes for everybody or one more: each pair of lane and
/// member has a weight, and the pairs are taken by weight as long as lane and member have room. A
/// member that comes or goes changes no other pair's weight, so few lanes move. It depends on nothing
/// but the set of members: all instances come to the same answer, whatever has been before.
pub fn assign(members: &[Uuid], lanes: u16) -> Vec<Uuid> {
    let mut members = members.to_vec();
    members.sort_unstable();
    members.dedup();
    if members.is_empty() {
        return Vec::new();
    }
    let mut pairs: Vec<(u64, u16, Uuid)> = (0..lanes)
        .flat_map(|lane| members.iter().map(move |member| (weight(lane, *member), lane, *member)))
        .collect();
    pairs.sort_unstable_by(|a, b| b.cmp(a));

    let each = usize::from(lanes) / members.len();
    // So many members take one more.
    let mut more = usize::from(lanes) % members.len();
    let mut taken: HashMap<Uuid, usize> = HashMap::new();
    let mut owners: Vec<Option<Uuid>> = vec![None; usize::from(lanes)];
    for (_, lane, member) in pairs {
        let owner = &mut owners[usize::from(lane)];
        let taken = taken.entry(member).or_default();
        if owner.is_some() || *taken > each || (*taken == each && more == 0) {
            continue;
        }
        more -= usize::from(*taken == each);
        *taken += 1;
        *owner = Some(member);
    }
    // There is room for every lane, and every pair has been looked at.
    owners.into_iter().flatten().collect()
}

/// Stable over platforms and versions: instances of two versions must agree while one replaces the
/// other.
fn weight(lane: u16, member: Uuid) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&lane.to_be_bytes()).update(member.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn counts(owners: &[Uuid]) -> BTreeMap<Uuid, usize> {
        owners.iter().fold(BTreeMap::new(), |mut counts, owner| {
            *counts.entry(*owner).or_default() += 1;
            counts
        })
    }

    fn moved(before: &[Uuid], after: &[Uuid]) -> usize {
        before.iter().zip(after).filter(|(before, after)| before != after).count()
    }

    proptest! {
        #[test]
        fn every_lane_has_an_owner_and_all_have_the_same(
            ids in proptest::collection::hash_set(any::<u128>(), 1..12),
            lanes in 1..200_u16,
        ) {
            let members: Vec<Uuid> = ids.into_iter().map(Uuid::from_u128).collect();
            let owners = assign(&members, lanes);
            prop_assert_eq!(owners.len(), usize::from(lanes));
            let each = usize::from(lanes) / members.len();
            let counts = counts(&owners);
            for member in &members {
                let count = counts.get(member).copied().unwrap_or(0);
                prop_assert!(count == each || count == each + 1, "{} of {}", count, lanes);
            }
            // The order in which members are named says nothing.
            let reversed: Vec<Uuid> = members.iter().rev().copied().collect();
            prop_assert_eq!(assign(&reversed, lanes), owners);
        }
    }

    #[test]
    fn who_comes_or_goes_moves_few_lanes() {
        let lanes = 256_u16;
        for n in 2..=8_usize {
            let (mut moves, mut least) = (0, 0);
            for round in 0..20_u128 {
                let members: Vec<Uuid> = (0..n as u128)
                    .map(|m| Uuid::from_u128((round * 64 + m).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
                    .collect();
                let with = assign(&members, lanes);
                let without = assign(&members[..n - 1], lanes);
                // Those of the one who goes have to move; the same lanes move back when he comes.
                least += counts(&with)[&members[n - 1]];
                moves += moved(&with, &without);
            }
            // Room must be made evenly, which moves some more.
            assert!(moves >= least, "{n}: {moves} of at least {least}");
            assert!(moves * 10 <= least * 17, "{n}: {moves} lanes moved where {least} had to");
        }
    }

    #[test]
    fn it_is_the_same_in_every_version() {
        let members: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let owners: Vec<u128> = assign(&members, 8).iter().map(Uuid::as_u128).collect();
        assert_eq!(owners, [1, 3, 3, 2, 2, 2, 1, 3]);
        assert!(assign(&[], 8).is_empty());
        assert_eq!(assign(&members[..1], 2), [members[0]; 2]);
    }
}
