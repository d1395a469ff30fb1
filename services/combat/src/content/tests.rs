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
