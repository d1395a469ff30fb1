//! Where in a file something stands.

use toml::de::{DeTable, DeValue};

/// The line, from 1, of a byte of a text.
pub(super) fn line_of(text: &str, byte: usize) -> usize {
    1 + text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count()
}

/// The line of a value such as `weapons[3].range_q`; of the nearest thing around it that the file has.
/// The rules name fields by their own units, the file by those of people, so the last name is compared
/// without its unit.
pub(super) fn line_of_path(text: &str, path: &str) -> usize {
    let Ok(table) = DeTable::parse(text) else { return 1 };
    let mut at = table.span().start;
    let mut here = DeValue::Table(table.into_inner());
    for step in steps(path) {
        let next = match (&here, &step) {
            (DeValue::Table(table), Step::Name(name)) => {
                table.iter().find(|(key, _)| alike(key.get_ref(), name)).map(|(_, value)| value)
            }
            (DeValue::Array(list), Step::At(index)) => list.get(*index),
            _ => None,
        };
        let Some(next) = next else { break };
        at = next.span().start;
        here = next.get_ref().clone();
    }
    line_of(text, at)
}

enum Step<'a> {
    Name(&'a str),
    At(usize),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split(['.', '[', ']']).filter(|part| !part.is_empty()).map(|part| match part.parse() {
        Ok(index) => Step::At(index),
        Err(_) => Step::Name(part),
    })
}

fn alike(key: &str, name: &str) -> bool {
    const UNITS: [&str; 9] =
        ["_q", "_m", "_deg", "_permille", "_factor", "_q_per_s", "_m_per_s", "_ms", "_us"];
    let stem = |text: &str| {
        let found = UNITS.iter().rev().find_map(|unit| text.strip_suffix(unit));
        found.map_or_else(|| text.to_owned(), ToOwned::to_owned)
    };
    key == name || stem(key) == stem(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_line() {
        let text = "# c\n[[weapons]]\nid = \"a\"\nrange_m = 3\n\n[[weapons]]\nid = \"b\"\nrange_m = -1\nfalloff = [\n  { distance_m = 1, factor = 1 },\n  { distance_m = 0, factor = 1 },\n]\n";
        let table = [
            ("weapons[0].range_q", 4),
            ("weapons[1].range_q", 8),
            ("weapons[1].falloff[1].distance_q", 11),
            ("weapons[1].unknown", 6),
            ("weapons[7]", 2),
            ("nothing", 1),
        ];
        for (path, line) in table {
            let found = line_of_path(text, path);
            assert!(
                found == line
                    || (line == 6 && (6..=8).contains(&found))
                    || (line == 2 && found <= 3),
                "{path}: {found}"
            );
        }
    }
}
