//! What players did, counted from the same events as everything else.

use super::wire::wire_struct;

/// Counts of one player over a whole session. Ratios are left to the reader as numerator and denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlayerStats {
    /// Deaths of others by this player, team mates included.
    pub kills: u32,
    /// Those of them that were team mates.
    pub team_kills: u32,
    pub deaths: u32,
    /// Deaths that nobody else caused.
    pub suicides: u32,
    pub assists: u32,
    /// Kills by the head.
    pub head_kills: u32,
    /// Shots that left the weapon: the denominator of the accuracy.
    pub shots: u32,
    /// Those that hit somebody: its numerator.
    pub hits: u32,
    /// Those whose first hit was a head.
    pub head_hits: u32,
    pub shots_refused: u32,
    /// To others; of these, what was left of no health is `overkill`.
    pub damage_dealt: u64,
    pub overkill_dealt: u64,
    pub damage_taken: u64,
    /// Lost health, armour and shield; with overkill they are what was taken.
    pub health_lost: u64,
    pub armour_lost: u64,
    pub shield_lost: u64,
    pub overkill_taken: u64,
    pub healing_done: u64,
    pub healing_taken: u64,
    pub actions: u32,
    pub moves: u64,
    pub corrections: u32,
    /// Ground covered by accepted moves, quanta.
    pub distance_q: u64,
    pub lives: u32,
    /// Rounds given at spawns, and fired: the difference is carried, or was left at a death.
    pub rounds_given: u64,
    pub rounds_dropped: u64,
}

wire_struct!(PlayerStats {
    kills,
    team_kills,
    deaths,
    suicides,
    assists,
    head_kills,
    shots,
    hits,
    head_hits,
    shots_refused,
    damage_dealt,
    overkill_dealt,
    damage_taken,
    health_lost,
    armour_lost,
    shield_lost,
    overkill_taken,
    healing_done,
    healing_taken,
    actions,
    moves,
    corrections,
    distance_q,
    lives,
    rounds_given,
    rounds_dropped,
});

/// A ratio that no division has rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    pub numerator: u32,
    pub denominator: u32,
}

impl PlayerStats {
    pub const fn accuracy(&self) -> Ratio {
        Ratio { numerator: self.hits, denominator: self.shots }
    }

    pub const fn head_share(&self) -> Ratio {
        Ratio { numerator: self.head_hits, denominator: self.hits }
    }

    /// Adds the counts of another session, or of another player.
    pub fn add(&mut self, other: &Self) {
        macro_rules! add {
            ($($field:ident),+) => { $(self.$field = self.$field.saturating_add(other.$field);)+ };
        }
        add!(
            kills,
            team_kills,
            deaths,
            suicides,
            assists,
            head_kills,
            shots,
            hits,
            head_hits,
            shots_refused,
            damage_dealt,
            overkill_dealt,
            damage_taken,
            health_lost,
            armour_lost,
            shield_lost,
            overkill_taken,
            healing_done,
            healing_taken,
            actions,
            moves,
            corrections,
            distance_q,
            lives,
            rounds_given,
            rounds_dropped
        );
    }
}
