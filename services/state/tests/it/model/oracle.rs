//! The model: histories in memory, decided by the rules of the domain, without log, cache or wire.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gamemesh_domain::document::{
    Aggregate, Change as Happened, Command, Declaration, Expectation, Field, Merge, Part, Schema,
    Validator, Value, ValueSchema, check_conserved, decide,
};
use gamemesh_domain::state::{GlobalFold, builtin_schemas};
use gamemesh_domain::{Code, Error, Result};
use uuid::Uuid;

use super::step::{Act, ActKind, Note, Place, Step, What};
use crate::it::documents::value;

/// A type of the test's own, whose balances only move.
pub(super) const VAULT: &str = "vault";

pub(super) struct Oracle {
    schemas: BTreeMap<String, Arc<Schema>>,
    pub(super) histories: BTreeMap<Place, History>,
    /// What a step with an idempotency key came to.
    kept: HashMap<String, (Step, Vec<Written>)>,
}

/// What has become of one aggregate.
pub(super) struct History {
    /// By version; the first is the aggregate that never was.
    pub(super) states: Vec<Aggregate>,
    /// `events[n]` leads to `states[n + 1]`.
    pub(super) events: Vec<(Option<Uuid>, Happened)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub(super) version: u64,
    pub(super) state: Value,
}

/// What one aggregate is asked: under which expectation, and with which event ids, if any are chosen.
type Asked = (Place, Expectation, Vec<Command>, Vec<Option<Uuid>>);

/// What a step must come to: the parts written and whether they had been before, or the refusal.
pub(super) type Verdict = std::result::Result<(Vec<Written>, bool), Error>;

impl Default for History {
    fn default() -> Self {
        Self { states: vec![Aggregate::default()], events: Vec::new() }
    }
}

impl History {
    pub(super) fn newest(&self) -> &Aggregate {
        self.states.last().unwrap()
    }
}

/// The declaration of [`VAULT`].
pub(super) fn vault() -> Declaration {
    let balance = Field {
        path: "balance".parse().unwrap(),
        description: String::new(),
        value: ValueSchema::Int { min: None, max: None },
        required: false,
        default: None,
        merge: Merge::default(),
    };
    let paths = vec!["balance".parse().unwrap()];
    Declaration {
        type_name: VAULT.parse().unwrap(),
        description: String::new(),
        fields: vec![balance],
        open: true,
        validators: vec![Validator::Conserved { paths, quantity: "gold".to_owned() }],
        builtin: false,
    }
}

impl Oracle {
    pub(super) fn new() -> Self {
        let own = Schema::new(vault()).unwrap();
        let schemas = builtin_schemas().unwrap().into_iter().chain([own]);
        Self {
            schemas: schemas.map(|s| (s.type_name().to_string(), Arc::new(s))).collect(),
            histories: BTreeMap::new(),
            kept: HashMap::new(),
        }
    }

    pub(super) fn newest(&self, at: &Place) -> Aggregate {
        self.histories.get(at).map(|history| history.newest().clone()).unwrap_or_default()
    }

    /// A step that was made with a key.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Step> {
        self.kept.values().map(|(step, _)| step)
    }

    /// What all of these aggregates say together.
    pub(super) fn global(&self) -> GlobalFold {
        let mut fold = GlobalFold::default();
        for ((aggregate_type, _), history) in &self.histories {
            fold.apply(aggregate_type, None, history.newest().present());
        }
        fold
    }

    /// Makes a step at a time.
    pub(super) fn perform(&mut self, step: &Step, now_us: i64) -> Verdict {
        if let Some((first, written)) = self.kept.get(&step.key).filter(|_| !step.key.is_empty()) {
            return match first == step {
                true => Ok((written.clone(), true)),
                false => Err(Error::new(Code::IdempotencyKeyReused, "another request")),
            };
        }
        if let What::Append { at, notes, .. } = &step.what
            && let Some(written) = self.stands(at, notes, &step.what)
        {
            return Ok((written, true));
        }
        let written = self.write(self.parts(&step.what)?, now_us)?;
        if !step.key.is_empty() {
            self.kept.insert(step.key.clone(), (step.clone(), written.clone()));
        }
        Ok((written, false))
    }

    /// Events of these ids that stand right after the version that the step expects.
    fn stands(&self, at: &Place, notes: &[Note], what: &What) -> Option<Vec<Written>> {
        let What::Append { when, .. } = what else { return None };
        let after = usize::try_from(when.version()?).unwrap();
        let history = self.histories.get(at)?;
        let there = history.events.get(after..after + notes.len())?;
        let same =
            |(note, (id, _)): (&Note, &(Option<Uuid>, _))| note.id.is_some() && note.id == *id;
        let all = notes.iter().zip(there).all(same);
        let reached = &history.states[after + notes.len()];
        all.then(|| vec![Written { version: reached.version, state: reached.state.clone() }])
    }

    /// What each aggregate is asked.
    fn parts(&self, what: &What) -> Result<Vec<Asked>> {
        let one = |at: &Place, expected, command| {
            Ok(vec![(at.clone(), expected, vec![command], vec![None])])
        };
        match what {
            What::Create { at, state } => {
                one(at, Expectation::Any, Command::Create { state: value(state) })
            }
            What::Update { at, change, when, create_missing } => {
                one(at, when.expectation(), change.command(*create_missing))
            }
            What::Delete { at, when } => one(at, when.expectation(), Command::Delete),
            What::RollBack { at, to, when } => {
                let newest = self.newest(at).version;
                if newest == 0 {
                    return Err(Error::new(Code::NotFound, "never was"));
                }
                let to = *to as u64;
                if to > newest {
                    return Err(Error::new(Code::OutOfHistory, "lies in the future"));
                }
                let state = self.histories[at].states[to as usize].present().cloned();
                one(at, when.expectation(), Command::RollBack { to_version: to, state })
            }
            What::Append { at, notes, when } => {
                let note = |note: &Note| Command::Note {
                    kind: note.kind.clone(),
                    data: value(&note.data),
                };
                let ids = notes.iter().map(|note| note.id).collect();
                let expected = match when.expectation() {
                    Expectation::Version(0) => Expectation::NoEvents,
                    expected => expected,
                };
                Ok(vec![(at.clone(), expected, notes.iter().map(note).collect(), ids)])
            }
            What::PutPlayer { id, status, gold, when } => {
                let state = serde_json::json!({"status": status, "inventory": {"gold": gold}});
                let mut state = value(&state);
                self.schemas["player"].fill_defaults(&mut state);
                let command = Command::Replace { state, create_missing: true };
                one(&("player", id.clone()), when.expectation(), command)
            }
            What::Transact { parts } => Ok(parts.iter().map(act).collect()),
        }
    }

    fn write(&mut self, parts: Vec<Asked>, now_us: i64) -> Result<Vec<Written>> {
        let mut decided = Vec::new();
        for (at, expected, commands, ids) in parts {
            let before = self.newest(&at);
            expected.check(&before)?;
            let mut after = vec![before];
            let mut changes = Vec::new();
            for (command, id) in commands.into_iter().zip(ids) {
                let decision = decide(&self.schemas[at.0], after.last().unwrap(), command, now_us)?;
                changes.push((id, decision.change));
                after.push(decision.after);
            }
            decided.push((at, after, changes));
        }
        let parts: Vec<_> = decided
            .iter()
            .map(|(at, after, _)| Part {
                schema: &self.schemas[at.0],
                before: &after[0].state,
                after: &after.last().unwrap().state,
            })
            .collect();
        check_conserved(parts)?;
        let mut written = Vec::new();
        for (at, mut after, changes) in decided {
            let newest = after.last().unwrap();
            written.push(Written { version: newest.version, state: newest.state.clone() });
            if !changes.is_empty() {
                let history = self.histories.entry(at).or_default();
                history.states.extend(after.drain(1..));
                history.events.extend(changes);
            }
        }
        Ok(written)
    }
}

fn act(act: &Act) -> Asked {
    let expected = act.expected.map_or(Expectation::Any, |v| Expectation::Version(v as u64));
    let command = match &act.action {
        None => None,
        Some(ActKind::Create(state)) => Some(Command::Create { state: value(state) }),
        Some(ActKind::Change(change)) => Some(change.command(false)),
        Some(ActKind::Delete) => Some(Command::Delete),
    };
    (act.at.clone(), expected, command.into_iter().collect(), vec![None])
}
