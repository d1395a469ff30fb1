//! `gamemesh memory recall` and `explain`.

use clap::Args;
use gamemesh_contracts::memory::v1 as pb;

use super::{Services, line, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct RecallArgs {
    collection: String,
    npc: String,
    /// What it is about; without it recency and importance decide
    #[arg(default_value = "", hide_default_value = true)]
    text: String,
    /// How many
    #[arg(long, short = 'k', default_value_t = 10)]
    top: i32,
    /// A predicate such as 'metadata.mood = "sad" AND importance >= 5'
    #[arg(long, default_value = "", hide_default_value = true)]
    filter: String,
    /// Only of these kinds
    #[arg(long, value_parser = super::store::kind)]
    kind: Vec<pb::MemoryKind>,
    /// Only about these
    #[arg(long, value_name = "ID")]
    subject: Vec<String>,
    /// What counts how much: balanced or park2023
    #[arg(long, value_parser = profile)]
    profile: Option<pb::score_profile::Base>,
    /// Compare words only
    #[arg(long)]
    words_only: bool,
}

fn profile(text: &str) -> Result<pb::score_profile::Base, String> {
    match text {
        "balanced" => Ok(pb::score_profile::Base::Balanced),
        "park2023" => Ok(pb::score_profile::Base::Park2023),
        _ => Err("accepts balanced or park2023".to_owned()),
    }
}

pub(super) async fn run(
    services: Services,
    args: RecallArgs,
    explain: bool,
    out: Output,
) -> Outcome {
    let profile =
        args.profile.map(|base| pb::ScoreProfile { base: base.into(), ..Default::default() });
    let request = pb::RecallRequest {
        collection_id: args.collection,
        npc_id: args.npc,
        text: args.text,
        top_k: args.top,
        filter: Some(pb::MemoryFilter {
            filter: args.filter,
            kinds: args.kind.into_iter().map(Into::into).collect(),
            subjects: args.subject,
            ..pb::MemoryFilter::default()
        }),
        profile,
        explain,
        words_only: args.words_only,
        ..pb::RecallRequest::default()
    };
    let mut memories = services.memories;
    let answer = memories.recall(request).await.map_err(refused)?.into_inner();
    if !answer.vector_missing.is_empty() {
        out.note(&format!("compared by words alone: {}", answer.vector_missing));
    }
    let document = shown("RecallResponse", &answer);
    out.answer(&document, || match explain {
        true => explained(&answer),
        false => plain(&answer),
    })?;
    Ok(Exit::Done)
}

fn text(memory: Option<&pb::Memory>) -> String {
    let content = memory.and_then(|memory| memory.content.as_ref());
    line(content.map_or("", |content| &content.text))
}

fn plain(answer: &pb::RecallResponse) -> String {
    let rows =
        answer.memories.iter().map(|one| [format!("{:.3}", one.score), text(one.memory.as_ref())]);
    table(["score", "text"], rows)
}

fn explained(answer: &pb::RecallResponse) -> String {
    let number = |number: Option<f64>| number.map(|n| format!("{n:.3}")).unwrap_or_default();
    let rows = answer.memories.iter().map(|one| {
        let why = one.explanation.unwrap_or_default();
        let term = |term: Option<pb::ScoreTerm>| number(term.map(|term| term.weighted));
        [
            format!("{:.3}", one.score),
            term(why.relevance),
            term(why.recency),
            term(why.importance),
            number(why.similarity),
            number(why.words),
            text(one.memory.as_ref()),
        ]
    });
    let header = ["score", "relevance", "recency", "importance", "similarity", "words", "text"];
    table(header, rows)
}
