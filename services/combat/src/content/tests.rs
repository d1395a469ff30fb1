use super::*;

#[test]
fn the_shipped_content_has_what_the_guide_says() {
    let content = shipped();
    let counts = (content.maps.len(), content.weapons.len(), content.actions.len());
    assert_eq!(counts, (2, 8, 6));
    assert_eq!(content.modes.len(), 3);
    // The same files, the same hash.
    assert_eq!(content.hash(), shipped().hash());
}

fn files() -> Files {
    Files {
        rules: include_str!("../../content/rules.toml").to_owned(),
        weapons: include_str!("../../content/weapons.toml").to_owned(),
        actions: include_str!("../../content/actions.toml").to_owned(),
        modes: include_str!("../../content/modes.toml").to_owned(),
        maps: vec![(
            "maps/courtyard.toml".to_owned(),
            include_str!("../../content/maps/courtyard.toml").to_owned(),
        )],
    }
}

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    let line_of = |text: &str, part: &str| {
        1 + text.lines().position(|line| line.contains(part)).expect("the part is there")
    };
    let original = files();
    type Change = fn(&mut Files);
    let table: [(Change, &str, &str, &str); 6] = [
        (
            |f| f.weapons = f.weapons.replacen("damage = 28", "damage = \"x\"", 1),
            "weapons.toml",
            "damage = 28",
            "",
        ),
        (
            |f| f.weapons = f.weapons.replacen("magazine = 30", "magazin = 30", 1),
            "weapons.toml",
            "magazine = 30",
            "magazin",
        ),
        (
            |f| f.actions = f.actions.replacen("cooldown_ms = 12000", "cooldown_ms = -1", 1),
            "actions.toml",
            "cooldown_ms = 12000",
            "cooldown_ms",
        ),
        (
            |f| {
                f.actions =
                    f.actions.replacen("effects = [\"bandaged\"]", "effects = [\"bandged\"]", 1);
            },
            "actions.toml",
            "effects = [\"bandaged\"]",
            "bandaged",
        ),
        (
            |f| f.modes = f.modes.replacen("armour = \"vest\"", "armour = \"vets\"", 1),
            "modes.toml",
            "armour = \"vest\"",
            "vest",
        ),
        (
            |f| f.maps[0].1 = f.maps[0].1.replacen("max = [40, 40, 20]", "max = [nan, 40, 20]", 1),
            "maps/courtyard.toml",
            "max = [40, 40, 20]",
            "metres",
        ),
    ];
    for (change, file, part, said) in table {
        let mut changed = original.clone();
        change(&mut changed);
        let text = match file {
            "weapons.toml" => &original.weapons,
            "actions.toml" => &original.actions,
            "modes.toml" => &original.modes,
            _ => &original.maps[0].1,
        };
        let error = changed.content().unwrap_err();
        assert_eq!(error.file, file, "{error}");
        assert_eq!(error.line, Some(line_of(text, part)), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let error = of_folder(Path::new("/nowhere")).unwrap_err();
    assert!(error.line.is_none(), "{error}");
}

/// Files that are spoilt in one place are a content or an error with its file, and its line where there is
/// one; nothing panics.
#[test]
fn spoilt_files_are_a_content_or_an_error() {
    use gamemesh_domain::combat::content::ContentHash;
    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::test_runner::TestRunner;

    const ODD: [&str; 12] = [
        "-1",
        "0",
        "1e300",
        "nan",
        "inf",
        "99999999999999999999",
        "\"\"",
        "[]",
        "{}",
        "true",
        "=",
        "\u{0}",
    ];
    let mut runner = TestRunner::deterministic();
    let places =
        (0..5_usize, proptest::prelude::any::<proptest::sample::Index>(), 0..4_u8, 0..12_usize);
    let (mut errors, mut lines, original) = (0, 0, shipped().hash());
    let mut other: Vec<ContentHash> = Vec::new();
    for _ in 0..1_500 {
        let (file, at, kind, odd) = places.new_tree(&mut runner).unwrap().current();
        let mut files = files();
        let text = match file {
            0 => &mut files.rules,
            1 => &mut files.weapons,
            2 => &mut files.actions,
            3 => &mut files.modes,
            _ => &mut files.maps[0].1,
        };
        let mut rows: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        let row = at.index(rows.len());
        match kind {
            // Another value, half a row, a row less, a row twice.
            0 => {
                if let Some((name, _)) = rows[row].clone().split_once('=') {
                    rows[row] = format!("{name}= {}", ODD[odd]);
                }
            }
            1 => {
                let half = rows[row].chars().count() / 2;
                rows[row] = rows[row].chars().take(half).collect();
            }
            2 => drop(rows.remove(row)),
            _ => rows.insert(row, rows[row].clone()),
        }
        *text = rows.join("\n");
        match files.content() {
            Ok(content) => other.push(content.hash()),
            Err(error) => {
                errors += 1;
                lines += u32::from(error.line.is_some());
                assert!(
                    error.line.is_none_or(|line| line >= 1 && line <= rows.len() + 1),
                    "{error}"
                );
                assert!(!error.what.is_empty(), "{error}");
            }
        }
    }
    // Most of it is noticed, nearly all of that with its line, and what is taken is another content.
    assert!(errors > 500 && lines * 10 > errors * 9, "{errors} errors, {lines} lines");
    assert!(other.iter().filter(|hash| **hash != original).count() > 50);
}

/// What would take for ever, or for ever repeat itself, is refused with its file and line.
#[test]
fn contents_without_end_are_refused() {
    // An effect that is followed by itself, by way of another.
    let mut cyclic = files();
    cyclic.actions = cyclic
        .actions
        .replacen("id = \"mending\"", "id = \"mending\"\nthen = \"bandaged\"", 1)
        .replacen("id = \"bandaged\"", "id = \"bandaged\"\nthen = \"mending\"", 1);
    let error = cyclic.content().unwrap_err();
    assert_eq!((error.file.as_str(), error.line.is_some()), ("actions.toml", true), "{error}");
    assert!(error.what.contains("mending → bandaged"), "{error}");
    // A thousand million triangles have 100 GB; a file is refused before it is read, and what fits into
    // one file is counted.
    let folder = tempfile::tempdir().unwrap();
    let huge = std::fs::File::create(folder.path().join("rules.toml")).unwrap();
    huge.set_len(100_000_000_000).unwrap();
    std::fs::create_dir(folder.path().join("maps")).unwrap();
    let error = of_folder(folder.path()).unwrap_err();
    assert!(error.to_string().contains("rules.toml: 100000000000 bytes; at most"), "{error}");
    let mut crowded = files();
    let triangles = "[[0,0,0],[1,0,0],[0,1,0]],".repeat(70_000);
    crowded.maps[0].1.insert_str(0, &format!("triangles = [{triangles}]\n"));
    let error = crowded.content().unwrap_err();
    assert_eq!(
        (error.file.as_str(), error.line.is_some()),
        ("maps/courtyard.toml", true),
        "{error}"
    );
    assert!(error.what.contains("accepts 0 to 65536 entries"), "{error}");
}
