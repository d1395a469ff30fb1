//! Content from files: the one that ships with the binary, and a studio's own.
//!
//! A folder has `rules.toml`, `weapons.toml`, `actions.toml`, `modes.toml` and a file for each map in
//! `maps/`. Whatever is wrong is told with its file and line.

mod forms;
mod lines;
mod resolve;
#[cfg(test)]
mod tests;
mod units;

use std::fmt;
use std::path::Path;

use gamemesh_domain::combat::CheckedContent;
use gamemesh_domain::combat::content::Content;
use serde::de::DeserializeOwned;

use self::forms::{Actions, MapForm, Modes, RulesForm, Weapons};
use self::resolve::{Names, Wrong};

/// Size of one file.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Maps of one content.
const MAPS_MAX: usize = 256;

/// What is wrong with a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentError {
    /// Name of the file within its folder.
    pub file: String,
    /// From 1; absent where the file as a whole is wrong.
    pub line: Option<usize>,
    pub what: String,
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for ContentError {}

/// The files of a content, as text.
#[derive(Debug, Clone)]
struct Files {
    rules: String,
    weapons: String,
    actions: String,
    modes: String,
    /// By file name.
    maps: Vec<(String, String)>,
}

/// The content that ships with the binary.
pub fn shipped() -> CheckedContent {
    let map = |name: &str, text: &str| (format!("maps/{name}.toml"), text.to_owned());
    Files {
        rules: include_str!("../content/rules.toml").to_owned(),
        weapons: include_str!("../content/weapons.toml").to_owned(),
        actions: include_str!("../content/actions.toml").to_owned(),
        modes: include_str!("../content/modes.toml").to_owned(),
        maps: vec![
            map("courtyard", include_str!("../content/maps/courtyard.toml")),
            map("foundry", include_str!("../content/maps/foundry.toml")),
        ],
    }
    .content()
    .expect("a test reads the shipped content")
}

/// The content of a folder.
pub fn of_folder(folder: &Path) -> Result<CheckedContent, ContentError> {
    let read = |name: &str| read(folder, name);
    let mut names = Vec::new();
    let maps = folder.join("maps");
    let listed = std::fs::read_dir(&maps).map_err(|error| whole("maps", &error.to_string()))?;
    for entry in listed {
        let path = entry.map_err(|error| whole("maps", &error.to_string()))?.path();
        if let (Some("toml"), Some(name)) =
            (path.extension().and_then(|e| e.to_str()), path.file_name().and_then(|n| n.to_str()))
        {
            names.push(format!("maps/{name}"));
        }
    }
    if names.len() > MAPS_MAX {
        return Err(whole("maps", &format!("{} maps; at most {MAPS_MAX}", names.len())));
    }
    names.sort();
    let maps =
        names.into_iter().map(|name| Ok((name.clone(), read(&name)?))).collect::<Result<_, _>>()?;
    Files {
        rules: read("rules.toml")?,
        weapons: read("weapons.toml")?,
        actions: read("actions.toml")?,
        modes: read("modes.toml")?,
        maps,
    }
    .content()
}

impl Files {
    fn content(self) -> Result<CheckedContent, ContentError> {
        let rules: RulesForm = parse("rules.toml", &self.rules)?;
        let weapons: Weapons = parse("weapons.toml", &self.weapons)?;
        let actions: Actions = parse("actions.toml", &self.actions)?;
        let modes: Modes = parse("modes.toml", &self.modes)?;
        let mut maps = Vec::with_capacity(self.maps.len());
        for (name, text) in &self.maps {
            maps.push(resolve::map(parse::<MapForm>(name, text)?));
        }
        let names = Names {
            weapons: weapons.weapons.iter().map(|form| form.id.clone()).collect(),
            armours: weapons.armours.iter().map(|form| form.id.clone()).collect(),
            effects: actions.effects.iter().map(|form| form.id.clone()).collect(),
            actions: actions.actions.iter().map(|form| form.id.clone()).collect(),
        };
        let resolved = Content {
            name: rules.name.clone().unwrap_or_else(|| "content".to_owned()),
            rules: resolve::rules(&rules),
            weapons: each(&weapons.weapons, |form, at| names.weapon(form, at))
                .map_err(|wrong| self.placed(wrong))?,
            armours: weapons.armours.iter().map(resolve::armour).collect(),
            effects: each(&actions.effects, |form, at| names.effect(form, at))
                .map_err(|wrong| self.placed(wrong))?,
            actions: each(&actions.actions, |form, at| names.action(form, at))
                .map_err(|wrong| self.placed(wrong))?,
            modes: each(&modes.modes, |form, at| names.mode(form, at))
                .map_err(|wrong| self.placed(wrong))?,
            maps,
            ..Content::default()
        };
        CheckedContent::new(resolved).map_err(|error| {
            let path = error.details.iter().find_map(|detail| match detail {
                gamemesh_domain::Detail::Field { field, .. } => Some(field.clone()),
                _ => None,
            });
            self.placed(Wrong { path: path.unwrap_or_default(), what: error.message })
        })
    }

    /// The file and line of what is wrong.
    fn placed(&self, wrong: Wrong) -> ContentError {
        let Wrong { path, what } = wrong;
        let (file, text, within) = if let Some(rest) = path.strip_prefix("maps[") {
            let (index, within) = rest.split_once(']').unwrap_or((rest, ""));
            let map = index.parse().ok().and_then(|index: usize| self.maps.get(index));
            map.map_or(("maps", "", ""), |(name, text)| (name.as_str(), text.as_str(), within))
        } else if path.starts_with("weapons") || path.starts_with("armours") {
            ("weapons.toml", self.weapons.as_str(), path.as_str())
        } else if path.starts_with("effects") || path.starts_with("actions") {
            ("actions.toml", self.actions.as_str(), path.as_str())
        } else if path.starts_with("modes") {
            ("modes.toml", self.modes.as_str(), path.as_str())
        } else {
            ("rules.toml", self.rules.as_str(), path.as_str())
        };
        let line = (!text.is_empty()).then(|| lines::line_of_path(text, within));
        let what = if what.starts_with(&path) { what } else { format!("{path}: {what}") };
        ContentError { file: file.to_owned(), line, what }
    }
}

fn each<F, T>(
    forms: &[F],
    resolve: impl Fn(&F, usize) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong> {
    forms.iter().enumerate().map(|(at, form)| resolve(form, at)).collect()
}

fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, ContentError> {
    toml::from_str(text).map_err(|error| ContentError {
        file: file.to_owned(),
        line: error.span().map(|span| lines::line_of(text, span.start)),
        what: error.message().to_owned(),
    })
}

fn read(folder: &Path, name: &str) -> Result<String, ContentError> {
    let path = folder.join(name);
    let size = std::fs::metadata(&path).map_err(|error| whole(name, &error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(whole(name, &format!("{size} bytes; at most {FILE_BYTES_MAX}")));
    }
    std::fs::read_to_string(&path).map_err(|error| whole(name, &error.to_string()))
}

fn whole(file: &str, what: &str) -> ContentError {
    ContentError { file: file.to_owned(), line: None, what: what.to_owned() }
}
