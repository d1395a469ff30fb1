//! The facts as Rust, for the crate of the generated messages.
//!
//! For each method an implementation of that crate's `method::Request` for the message that it takes:
//! the facts as a constant, and the values of the forwarding key as a visit, so that nobody writes down a
//! second time what a method is about.

mod key;
mod masks;

use std::fmt::Write as _;

use crate::contracts::{Contracts, Method};
use crate::wire::{Effect, MethodFacts, Retry, Role};

pub use masks::masks;

/// Why a contract cannot be written as Rust.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method}: {problem}")]
pub struct Misdeclared {
    pub method: String,
    pub problem: String,
}

/// The facts of a package's methods, to be put behind its generated messages.
pub fn module(
    contracts: &Contracts,
    declared: &[(Method, MethodFacts)],
    package: &str,
) -> Result<String, Misdeclared> {
    let mut text = String::new();
    for (method, facts) in declared {
        let Some(name) =
            method.service.strip_prefix(package).and_then(|rest| rest.strip_prefix('.'))
        else {
            continue;
        };
        if name.contains('.') {
            continue;
        }
        let refuse = |problem: String| Misdeclared { method: method.path(), problem };
        let request = method
            .request
            .strip_prefix(package)
            .and_then(|rest| rest.strip_prefix('.'))
            .filter(|name| !name.contains('.'))
            .ok_or_else(|| {
                refuse(format!("takes {}, not a message of its package", method.request))
            })?;
        let taken = declared.iter().filter(|(other, _)| other.request == method.request).count();
        if taken > 1 {
            return Err(refuse(format!("shares the message {request} with another method")));
        }
        if !facts.own_player.is_empty() {
            contracts.field(&method.request, &facts.own_player).map_err(refuse)?;
        }
        let visit =
            key::visit(contracts, &method.request, &facts.forwarding_key).map_err(refuse)?;
        let _ = writeln!(
            text,
            "
impl crate::method::Request for {request} {{
    const METHOD: &'static crate::method::Method = &crate::method::Method {{
        path: {path:?},
        roles: &[{roles}],
        effect: crate::common::v1::Effect::{effect:?},
        retry: crate::common::v1::Retry::{retry:?},
    }};

    fn for_each_key(&self, each: &mut dyn FnMut(&[&str])) {{
{visit}    }}
}}",
            path = method.path(),
            roles = roles(&facts.roles),
            effect = Effect::try_from(facts.effect).unwrap_or(Effect::Unspecified),
            retry = Retry::try_from(facts.retry).unwrap_or(Retry::Unspecified),
        );
    }
    Ok(text)
}

fn roles(roles: &[i32]) -> String {
    let roles = roles.iter().filter_map(|role| Role::try_from(*role).ok());
    let names: Vec<String> =
        roles.map(|role| format!("crate::common::v1::Role::{role:?}")).collect();
    names.join(", ")
}
