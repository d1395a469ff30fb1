//! The routes: every `google.api.http` rule and every additional binding is a row.

mod build;
mod listing;
mod rule;
mod trie;

use std::sync::Arc;

use http::Method;
use prost_reflect::{DescriptorPool, MethodDescriptor};

use crate::GatewayError;
use crate::schema::{Kind, MessageId, Schema};
use crate::template::{Path, Template};

use trie::Trie;

/// One way to call one RPC.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) verb: Verb,
    pub(crate) template: Template,
    /// For each variable of the template, the fields that lead to the one that it sets.
    pub(crate) bound: Vec<FieldPath>,
    pub(crate) body: BodyRule,
    pub(crate) response_body: Option<usize>,
    /// The body of the request, or the answer, goes through as it is.
    pub(crate) raw_request: bool,
    pub(crate) raw_answer: bool,
    /// Of what the path sets, what is a member of a oneof or within one.
    pub(crate) choices: Vec<FieldPath>,
    pub(crate) rpc: Arc<Rpc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Method(Method),
    /// `custom { kind: "*" }`: whatever method no other rule has.
    Any,
}

/// Indices of fields from the request message inwards.
pub(crate) type FieldPath = Vec<usize>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyRule {
    /// No body: what the path does not set comes from the query.
    None,
    /// `*`: the body holds every field that the path does not set, and there is no query.
    Whole,
    /// The body is the value of this field.
    Field(usize),
}

#[derive(Debug)]
pub(crate) struct Rpc {
    /// `package.Service.Method`.
    pub(crate) name: String,
    /// `/package.Service/Method`.
    pub(crate) uri: http::Uri,
    pub(crate) input: MessageId,
    pub(crate) output: MessageId,
    pub(crate) client_streaming: bool,
    pub(crate) server_streaming: bool,
    /// Number and kind of the field of the answer with which a client resumes the stream.
    pub(crate) resume_token: Option<(u32, Kind)>,
    pub(crate) descriptor: MethodDescriptor,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Arc<Row>>,
    tries: Vec<(Method, Trie)>,
    any: Trie,
}

impl Row {
    /// The field that a variable sets, as clients spell it.
    pub(crate) fn json_path(&self, schema: &Schema, variable: usize) -> String {
        let mut message = schema.message(self.rpc.input);
        let mut names = Vec::new();
        for index in &self.bound[variable] {
            let field = &message.fields[*index];
            names.push(field.json_name.as_str());
            message = schema.message_of(field).unwrap_or(message);
        }
        names.join(".")
    }
}

impl Table {
    /// Reads every rule of the pool; refuses templates that are malformed, fields that do not exist,
    /// and two rules for the same paths, or passes over them.
    pub(crate) fn build(
        pool: &DescriptorPool,
        schema: &Schema,
        skips_bad_rules: bool,
    ) -> Result<Self, GatewayError> {
        let mut table = Self { rows: Vec::new(), tries: Vec::new(), any: Trie::default() };
        for row in build::rows(pool, schema) {
            match row.and_then(|row| table.push(row)) {
                Err(error) if skips_bad_rules => tracing::warn!(%error, "a rule is not served"),
                pushed => pushed?,
            }
        }
        Ok(table)
    }

    fn push(&mut self, row: Row) -> Result<(), GatewayError> {
        self.rows.push(Arc::new(row));
        let index = self.rows.len() - 1;
        let Err(other) = self.insert(index) else { return Ok(()) };
        let (first, second) = (&self.rows[other], &self.rows[index]);
        let clash = GatewayError::Clash {
            first: first.rpc.name.clone(),
            second: second.rpc.name.clone(),
            verb: second.verb.to_string(),
            template: second.template.to_string(),
        };
        self.rows.pop();
        Err(clash)
    }

    /// The row for a method and a path. `HEAD` falls back to `GET`.
    pub(crate) fn find<'p>(
        &self,
        method: &Method,
        path: &Path<'p>,
    ) -> Option<(&Arc<Row>, Path<'p>)> {
        self.find_exact(method, path)
            .or_else(|| {
                if method == Method::HEAD { self.find_exact(&Method::GET, path) } else { None }
            })
            .or_else(|| self.find_in(&self.any, path))
    }

    /// The row for a path whatever its method: `GET` first, then in the order of the rules.
    pub(crate) fn find_any<'p>(&self, path: &Path<'p>) -> Option<(&Arc<Row>, Path<'p>)> {
        self.find(&Method::GET, path)
            .or_else(|| self.tries.iter().find_map(|(method, _)| self.find_exact(method, path)))
    }

    /// The methods that the path has, for `Allow`; empty if there is no such path.
    pub(crate) fn allowed(&self, path: &Path<'_>) -> Vec<&str> {
        let mut methods: Vec<&str> = Vec::new();
        for (method, trie) in &self.tries {
            if self.find_in(trie, path).is_some() {
                methods.push(method.as_str());
            }
        }
        if methods.contains(&"GET") && !methods.contains(&"HEAD") {
            methods.push("HEAD");
        }
        if !methods.is_empty() {
            methods.push("OPTIONS");
        }
        methods.sort_unstable();
        methods.dedup();
        methods
    }

    fn find_exact<'p>(&self, method: &Method, path: &Path<'p>) -> Option<(&Arc<Row>, Path<'p>)> {
        let (_, trie) = self.tries.iter().find(|(m, _)| m == method)?;
        self.find_in(trie, path)
    }

    /// A path that ends in a verb which any method knows there is that verb's alone: `DELETE` of
    /// `7:rollback` must not delete something of that name. A name that ends so is escaped, `7%3Arollback`.
    fn find_in<'p>(&self, trie: &Trie, path: &Path<'p>) -> Option<(&Arc<Row>, Path<'p>)> {
        let found = trie.find_verb(path).or_else(|| {
            let known = |trie: &Trie| trie.find_verb(path).is_some();
            let is_verb = known(&self.any) || self.tries.iter().any(|(_, trie)| known(trie));
            if is_verb { None } else { trie.find_plain(path) }
        });
        found.map(|(row, path)| (&self.rows[row], path))
    }

    /// The row that holds the place already is the error.
    fn insert(&mut self, index: usize) -> Result<(), usize> {
        let row = &self.rows[index];
        let trie = match &row.verb {
            Verb::Any => &mut self.any,
            Verb::Method(method) => {
                let known = self.tries.iter().position(|(m, _)| m == method);
                let at = known.unwrap_or_else(|| {
                    self.tries.push((method.clone(), Trie::default()));
                    self.tries.len() - 1
                });
                &mut self.tries[at].1
            }
        };
        trie.insert(&row.template, index)
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Method(method) => method.fmt(f),
            Self::Any => f.write_str("*"),
        }
    }
}
