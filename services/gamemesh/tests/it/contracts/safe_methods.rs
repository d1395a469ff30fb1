//! What the chart tells the mesh about repeating calls.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gamemesh_contracts::DESCRIPTORS;
use gamemesh_facts::{Contracts, Retry};

const HEAD: &str = "\
# Made from the contracts: `UPDATE_GOLDEN=1 cargo test -p gamemesh contracts` writes it anew. `methods` are calls that
# may be repeated at any time, `streams` are never repeated by the mesh: their clients resume them by token.
";

#[derive(Default)]
struct Service {
    methods: Vec<String>,
    streams: Vec<String>,
}

/// `helm/gamemesh/files/safe-methods.yaml`
pub(super) fn file() -> String {
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
    let mut file = HEAD.to_owned();
    for (name, service) in services {
        let _ = writeln!(file, "{name}:");
        for (kind, paths) in [("methods", service.methods), ("streams", service.streams)] {
            let list = if paths.is_empty() { " []" } else { "" };
            let _ = writeln!(file, "  {kind}:{list}");
            paths.iter().for_each(|path| {
                let _ = writeln!(file, "    - {path}");
            });
        }
    }
    file
}
