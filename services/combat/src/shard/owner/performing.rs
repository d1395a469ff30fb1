//! What a session is asked to do, done or refused.

use gamemesh_domain::Error;
use tokio::time::Instant;

use crate::shard::command::{Command, Reply, What};
use crate::shard::hosted::Hosted;

/// Does what a session is asked to do.
pub(super) fn perform(hosted: &mut Hosted, command: Command, now: Instant) {
    let correlation = command.correlation.as_ref();
    match command.what {
        What::Create(creation, reply) => {
            let _ = reply.send(hosted.created_again(&creation));
        }
        What::Get(reply) => {
            let _ = reply.send(Ok(hosted.present(now)));
        }
        What::Update(changes, reply) => hosted.update(&changes, reply, now, correlation),
        What::Join(join, reply) => hosted.join(&join, reply, now, correlation),
        What::Leave { player, why, reply } => {
            hosted.leave(&player, why, reply, now, correlation);
        }
        What::Attach(attach, reply) => hosted.attach(attach, reply, now, correlation),
        What::Detach { player, connection } => hosted.detach(&player, connection, now),
        What::Act(act) => hosted.act(*act, now, correlation),
        What::Missed { after, up_to, reply } => {
            let _ = reply.send(Ok(hosted.missed(after, up_to)));
        }
        What::Subscribe { after, events, reply } => hosted.subscribe(after, events, reply),
    }
}

/// Tells whoever asked that it cannot be done.
pub(super) fn refuse(what: What, error: &Error) {
    fn no<T>(reply: Reply<T>, error: &Error) {
        let _ = reply.send(Err(error.clone()));
    }
    match what {
        What::Create(_, reply) => no(reply, error),
        What::Get(reply) => no(reply, error),
        What::Update(_, reply) => no(reply, error),
        What::Join(_, reply) => no(reply, error),
        What::Leave { reply, .. } => no(reply, error),
        What::Attach(_, reply) => no(reply, error),
        What::Act(act) => crate::shard::hosted::refuse(act.origin, error),
        What::Missed { reply, .. } => no(reply, error),
        What::Subscribe { reply, .. } => no(reply, error),
        What::Detach { .. } => {}
    }
}
