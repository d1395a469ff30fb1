//! What is left out of a message for whom the contract does not name as a reader.

use std::fmt::Write as _;

use super::roles;
use crate::contracts::Contracts;

/// For each message of a package that has fields with readers, an implementation of `method::Masked`.
pub fn masks(contracts: &Contracts, package: &str) -> String {
    let mut text = String::new();
    let files = contracts.set.file.iter().filter(|file| file.package == package);
    for message in files.flat_map(|file| &file.message_type) {
        if message.restricted().next().is_none() {
            continue;
        }
        let _ = writeln!(
            text,
            "
impl crate::method::Masked for {name} {{
    fn mask(&mut self, role: crate::common::v1::Role) {{",
            name = message.name,
        );
        for (field, facts) in message.restricted() {
            let readers = roles(&facts.readers);
            let _ = writeln!(
                text,
                "        if !crate::method::reads(&[{readers}], role) {{
            self.{field} = Default::default();
        }}"
            );
        }
        let _ = writeln!(text, "    }}\n}}");
    }
    text
}
