//! Errors as a part of an answer.

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::{Detail, Error};

pub(crate) fn to_refusal(error: &Error) -> pb::Refusal {
    let field = error.details.iter().find_map(|detail| match detail {
        Detail::Field { field, .. } => Some(field.clone()),
        Detail::Fact { .. } | Detail::RetryAfter(_) => None,
    });
    pb::Refusal {
        reason: error.code.reason().to_owned(),
        message: error.message.clone(),
        field: field.unwrap_or_default(),
    }
}
