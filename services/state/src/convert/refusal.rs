//! Errors as a part of an answer.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::{Detail, Error};
use tonic::Status;
use tonic_types::StatusExt as _;

pub(crate) fn to_refusal(error: &Error) -> pb::Refusal {
    let mut refusal = pb::Refusal {
        reason: error.code.reason().to_owned(),
        message: error.message.clone(),
        ..pb::Refusal::default()
    };
    for detail in &error.details {
        match detail {
            Detail::Field { field, description } => refusal.fields.push(pb::FieldViolation {
                field: field.clone(),
                description: description.clone(),
            }),
            Detail::Fact { key, value } => {
                refusal.facts.insert((*key).to_owned(), value.clone());
            }
            Detail::RetryAfter(delay) => {
                refusal.facts.insert("retryAfterMs".to_owned(), delay.as_millis().to_string());
            }
        }
    }
    refusal
}

/// The refusal that another instance answered, as it would have been told as a part of its answer.
pub(crate) fn of_status(status: &Status) -> pb::Refusal {
    let details = status.get_error_details();
    let info = details.error_info();
    let mut facts = info.map(|info| info.metadata.clone()).unwrap_or_default();
    if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
        facts.insert("retryAfterMs".to_owned(), delay.as_millis().to_string());
    }
    let violations = details.bad_request().map(|bad| bad.field_violations.clone());
    let fields = violations.unwrap_or_default().into_iter();
    pb::Refusal {
        reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
        message: status.message().to_owned(),
        fields: fields
            .map(|violation| pb::FieldViolation {
                field: violation.field,
                description: violation.description,
            })
            .collect(),
        facts: facts.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gamemesh_domain::Code;
    use gamemesh_rpc::error::to_status;

    use super::*;

    #[test]
    fn a_refusal_is_the_same_from_near_and_far() {
        let errors = [
            Error::new(Code::VersionConflict, "is at 7").with_fact("actualVersion", 7),
            Error::invalid("parts[1].id", "accepts an id").with_fact("limit", 3),
            Error::new(Code::ValidatorRefused, "gold: below 0").with_field("gold", "at least 0"),
            Error::new(Code::Overloaded, "full").with_retry_after(Duration::from_millis(1_250)),
            Error::new(Code::NotFound, "does not exist"),
        ];
        for error in errors {
            assert_eq!(of_status(&to_status(&error)), to_refusal(&error));
        }
    }
}
