//! Judges shots again from the topic, and reports where it does not agree.
//!
//! It stands for itself (`--services damage-validator`): it knows nothing of sessions but what the
//! messages say, so a defect of a session's owner is not its own.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_bus::{Consumer, ConsumerEvent, ConsumerOptions, Consumers, ReceivedMessage};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{CheckedContent, Reason};
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use prometheus_client::metrics::counter::Counter;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::topics::VALIDATION;

/// The consumer group.
const GROUP: &str = "damage-validator";

/// After a failure, the next try.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
struct Counts {
    judged: Counter,
    disagreed: Counter,
    unreadable: Counter,
}

/// Mounts the validator.
pub fn mount_validator(
    consumers: Arc<dyn Consumers>,
    content: Arc<CheckedContent>,
    metrics: &Metrics,
) -> Mounted {
    let counts = Counts::default();
    let c = counts.clone();
    metrics.register(|r| {
        r.register("combat_validations", "Shots that were judged again", c.judged);
        let help = "Shots on which the second judgement does not agree";
        r.register("combat_validations_disagreed", help, c.disagreed);
        r.register("combat_validations_unreadable", "Messages that cannot be read", c.unreadable);
    });
    Mounted::new("damage-validator").task("consumer", move |stop| async move {
        while !stop.is_cancelled() {
            if let Err(error) = consume(&*consumers, &content, &counts, &stop).await {
                tracing::warn!(%error, "shots are not judged again at the moment");
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    })
}

async fn consume(
    consumers: &dyn Consumers,
    content: &CheckedContent,
    counts: &Counts,
    stop: &CancellationToken,
) -> Result<(), gamemesh_bus::ConsumeError> {
    let mut consumer: Box<dyn Consumer> =
        consumers.consumer(GROUP, &[VALIDATION], ConsumerOptions::default()).await?;
    loop {
        let event = tokio::select! {
            event = consumer.next() => event?,
            () = stop.cancelled() => return consumer.close().await,
        };
        if let ConsumerEvent::Messages(messages) = event {
            messages.iter().for_each(|message| judge_message(message, content, counts));
            let offsets: Vec<_> = messages.iter().map(ReceivedMessage::next_offset).collect();
            consumer.commit(&offsets).await?;
        }
    }
}

/// A message that cannot be read is set aside: the next ones go on.
fn judge_message(message: &ReceivedMessage, content: &CheckedContent, counts: &Counts) {
    let Ok(judged) = pb::DamageValidationMessage::decode(message.payload.clone()) else {
        counts.unreadable.inc();
        tracing::warn!(partition = %message.partition, offset = message.offset, "not a judgement");
        return;
    };
    // Weapons of another content are not known here: the rest is judged all the same.
    let content = (judged.content_hash == content.hash().to_string()).then_some(content);
    for validation in &judged.validations {
        counts.judged.inc();
        if let Some(what) = judge_again(validation, content) {
            counts.disagreed.inc();
            let (session, number) = (&judged.session_id, validation.number);
            tracing::error!(session, number, what, "a judgement does not hold");
        }
    }
}

/// What does not hold of a judgement, from its own evidence.
fn judge_again(
    validation: &pb::DamageValidation,
    content: Option<&CheckedContent>,
) -> Option<String> {
    let verdict = validation.verdict.as_ref()?;
    let value = |name: &str| {
        verdict.evidence.iter().find(|evidence| evidence.name == name).map(|found| found.value)
    };
    let within = |name: &str, max: &str| Some(value(name)? <= value(max)?);
    let reason = Reason::ALL.iter().find(|reason| reason.name() == verdict.reason)?;
    if reason.is_accepted() != verdict.accepted {
        return Some(format!("{} is not what it says it is", verdict.reason));
    }
    if !verdict.accepted {
        let broken = match reason {
            Reason::Rate => value("client_time")? < value("ready")?,
            Reason::Origin => value("origin_distance")? > value("origin_max")?,
            _ => true,
        };
        return (!broken).then(|| format!("{} is not shown by its evidence", verdict.reason));
    }
    let rules = [
        (within("ready", "client_time"), "it came sooner than the weapon fires"),
        (within("view_claimed", "view_max"), "it saw what had not been sent"),
        (within("view_min", "view_used"), "it was taken further back than the rules go"),
        (within("origin_distance", "origin_max"), "its muzzle is not at the shooter"),
    ];
    if let Some((_, what)) = rules.into_iter().find(|(holds, _)| *holds == Some(false)) {
        return Some(what.to_owned());
    }
    let hit = verdict.hit.as_ref()?;
    if value("distance")? > value("range")? {
        return Some("it hit further away than the weapon reaches".to_owned());
    }
    let weapon = content?.weapons.iter().find(|weapon| weapon.id == validation.weapon)?;
    // No factor of the shipped rules is above ten: what is beyond is no judgement of theirs.
    let most =
        u64::from(weapon.damage) * u64::from(hit.hits) * u64::from(weapon.head_permille.max(1_000))
            / 1_000
            * 10;
    (u64::try_from(hit.damage).ok()? > most).then(|| "more damage than the weapon does".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validation(reason: &str, accepted: bool, evidence: &[(&str, i64)]) -> pb::DamageValidation {
        let evidence = evidence.iter().map(|(name, value)| pb::Evidence {
            name: (*name).to_owned(),
            value: *value,
            unit: String::new(),
        });
        let verdict = pb::Verdict {
            reason: reason.to_owned(),
            accepted,
            evidence: evidence.collect(),
            ..pb::Verdict::default()
        };
        pb::DamageValidation { verdict: Some(verdict), ..pb::DamageValidation::default() }
    }

    #[test]
    fn a_judgement_must_follow_from_its_evidence() {
        let fair = [("client_time", 10), ("ready", 5), ("origin_distance", 1), ("origin_max", 2)];
        let early = [("client_time", 4), ("ready", 5)];
        let table = [
            (validation("MISS", true, &fair), true),
            (validation("MISS", true, &early), false),
            (validation("RATE", false, &early), true),
            (validation("RATE", false, &fair), false),
            (validation("HIT", false, &fair), false),
            (validation("DEAD", false, &[]), true),
            (validation("MISS", true, &[("view_claimed", 9), ("view_max", 8)]), false),
        ];
        for (validation, holds) in table {
            let found = judge_again(&validation, None);
            assert_eq!(found.is_none(), holds, "{validation:?}: {found:?}");
        }
    }
}
