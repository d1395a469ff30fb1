//! Errors as a part of an answer.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::{Detail, Error};

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
