//! What the chart tells the mesh about repeating calls.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gamemesh_contracts::DESCRIPTORS;
use gamemesh_facts::{Contracts, Retry};

const HEAD: &str = "\
# Made from the contracts: `UPDATE_GOLDEN=1 cargo test -p gamemesh contracts` writes it anew. `methods` are calls that
# may be repeated at any time, `streams` are never repeated by the mesh: their clients resume them by token. `paths` are
# those of the same streams over REST, as expressions.
";

#[derive(Default)]
struct Service {
    methods: Vec<String>,
    streams: Vec<String>,
    paths: Vec<String>,
}

/// `helm/gamemesh/files/safe-methods.yaml`, with these routes of the gateway.
pub(super) fn file(routes: &str) -> String {
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    for (method, facts) in Contracts::decode(DESCRIPTORS).unwrap().declared().unwrap() {
        let name = method.service.split('.').nth(1).unwrap_or_default();
        let service = services.entry(name.to_owned()).or_default();
        if method.is_streaming() {
            service.streams.push(method.path());
        } else if facts.retry() == Retry::Safe {
            service.methods.push(method.path());
        }
    }
    for line in routes.lines().filter(|line| line.contains(" stream=")) {
        let words: Vec<&str> = line.split(' ').collect();
        let name = words[3].split('.').nth(1).unwrap_or_default();
        let path = format!("'{}'", expression(words[1]));
        let paths = &mut services.entry(name.to_owned()).or_default().paths;
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let mut file = HEAD.to_owned();
    for (name, service) in services {
        let _ = writeln!(file, "{name}:");
        let Service { methods, streams, paths } = service;
        for (kind, paths) in [("methods", methods), ("streams", streams), ("paths", paths)] {
            let list = if paths.is_empty() { " []" } else { "" };
            let _ = writeln!(file, "  {kind}:{list}");
            paths.iter().for_each(|path| {
                let _ = writeln!(file, "    - {path}");
            });
        }
    }
    file
}

/// What matches the paths of a template whose variables are single segments.
fn expression(template: &str) -> String {
    let mut expression = String::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('{') {
        let (variable, after) = after.split_once('}').unwrap();
        assert!(!variable.contains('='), "{template}: the variable has a pattern of its own");
        expression += literal;
        expression += "[^/]+";
        rest = after;
    }
    expression + rest
}
