//! What the contracts declare about each RPC, beside the message that it takes.

use crate::common::v1::{Effect, Retry, Role};

/// The facts about an RPC.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// As gRPC has it: `/package.Service/Method`.
    pub path: &'static str,
    /// Who may call it, besides an administrator.
    pub roles: &'static [Role],
    pub effect: Effect,
    pub retry: Retry,
}

impl Method {
    pub const fn is_read(&self) -> bool {
        matches!(self.effect, Effect::Read)
    }
}

/// A message that an RPC takes.
pub trait Request {
    const METHOD: &'static Method;

    /// Visits what the call is about, as the forwarding key of its method says: the values of its parts, once
    /// for each element where the key is of a list.
    fn for_each_key(&self, each: &mut dyn FnMut(&[&str]));
}

/// A message with fields that not everybody reads.
pub trait Masked {
    /// Leaves out what this role does not read.
    fn mask(&mut self, role: Role);
}

/// Whether a role is among the readers of a field. An administrator always is.
pub fn reads(readers: &[Role], role: Role) -> bool {
    role == Role::Admin || readers.contains(&role)
}
