//! What counts how much.

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::memory::{Fusion, Profile, Recency, RecencyBasis};
use gamemesh_domain::{Error, Result};
use pb::score_profile::{Base, Fusion as PbFusion, Recency as PbRecency};

pub(crate) fn from_profile(profile: &pb::ScoreProfile) -> Result<Profile> {
    let base = Base::try_from(profile.base)
        .map_err(|_| Error::invalid("profile.base", "accepts a value of Base"))?;
    let mut made = match base {
        Base::Unspecified | Base::Balanced => Profile::BALANCED,
        Base::Park2023 => Profile::PARK_2023,
    };
    let weights = &mut made.weights;
    weights.relevance = profile.relevance_weight.unwrap_or(weights.relevance);
    weights.recency = profile.recency_weight.unwrap_or(weights.recency);
    weights.importance = profile.importance_weight.unwrap_or(weights.importance);
    match profile.recency {
        Some(PbRecency::HalfLifeHours(hours)) => made.recency = Recency::HalfLife { hours },
        Some(PbRecency::DecayPerHour(share)) => made.recency = Recency::PerHour { share },
        None => {}
    }
    match profile.fusion {
        Some(PbFusion::VectorShare(vector)) => made.fusion = Fusion::Linear { vector },
        Some(PbFusion::RankConstant(constant)) => {
            made.fusion = Fusion::ReciprocalRank { constant };
        }
        None => {}
    }
    match profile.since_access {
        Some(true) => made.basis = RecencyBasis::Accessed,
        Some(false) => made.basis = RecencyBasis::Created,
        None => {}
    }
    made.normalised = profile.normalised.unwrap_or(made.normalised);
    made.check()?;
    Ok(made)
}

/// Everything said, so that it means the same whatever a base will be one day.
pub(crate) fn to_profile(profile: &Profile) -> pb::ScoreProfile {
    pb::ScoreProfile {
        base: Base::Balanced.into(),
        relevance_weight: Some(profile.weights.relevance),
        recency_weight: Some(profile.weights.recency),
        importance_weight: Some(profile.weights.importance),
        recency: Some(match profile.recency {
            Recency::HalfLife { hours } => PbRecency::HalfLifeHours(hours),
            Recency::PerHour { share } => PbRecency::DecayPerHour(share),
        }),
        since_access: Some(profile.basis == RecencyBasis::Accessed),
        fusion: Some(match profile.fusion {
            Fusion::Linear { vector } => PbFusion::VectorShare(vector),
            Fusion::ReciprocalRank { constant } => PbFusion::RankConstant(constant),
        }),
        normalised: Some(profile.normalised),
    }
}
