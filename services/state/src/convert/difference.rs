//! Differences between two states.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::document::{Difference, DifferenceKind};

use super::value::to_value;

pub(crate) fn to_difference(difference: &Difference) -> pb::Difference {
    use pb::difference::Kind;
    let kind = match difference.kind {
        DifferenceKind::Added => Kind::Added,
        DifferenceKind::Removed => Kind::Removed,
        DifferenceKind::Changed => Kind::Changed,
    };
    pb::Difference {
        path: difference.path.to_string(),
        kind: kind.into(),
        from: (kind != Kind::Added).then(|| to_value(&difference.from)),
        to: (kind != Kind::Removed).then(|| to_value(&difference.to)),
    }
}
