//! What is left out of a message for whom the contract does not name as a reader.

use std::fmt::Write as _;

use super::roles;
use crate::contracts::Contracts;
use crate::wire::MessageDescriptor;

/// For each message of a package that has fields with readers, an implementation of `method::Masked`.
pub fn masks(contracts: &Contracts, package: &str) -> String {
    let mut text = String::new();
    let files = contracts.set.file.iter().filter(|file| file.package == package);
    for message in files.flat_map(|file| &file.message_type) {
        let fields = restricted(message);
        if fields.is_empty() {
            continue;
        }
        let _ = writeln!(
            text,
            "
impl crate::method::Masked for {name} {{
    fn mask(&mut self, role: crate::common::v1::Role) {{",
            name = message.name,
        );
        for (field, readers) in fields {
            let readers = roles(readers);
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

fn restricted(message: &MessageDescriptor) -> Vec<(&str, &[i32])> {
    let facts = message.field.iter().map(|field| (field, field.options.as_ref()));
    facts
        .filter_map(|(field, options)| {
            let readers = options?.facts.as_ref()?.readers.as_slice();
            (!readers.is_empty()).then_some((field.name.as_str(), readers))
        })
        .collect()
}
