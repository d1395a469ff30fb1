//! The keys as a TOML file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::keys::{self, KEYS};
use super::reader::{ConfigError, ConfigErrors};

/// A configuration file, read and checked for unknown keys.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    values: BTreeMap<&'static str, String>,
}

impl ConfigFile {
    pub fn read(path: &Path) -> Result<Self, ConfigErrors> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigErrors::file(path, format!("cannot be read: {error}")))?;
        Self::parse(path, &text)
    }

    /// Parses the text of the file at `path`. Keys may be written with underscores or dashes.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigErrors> {
        let table: toml::Table = toml::from_str(text)
            .map_err(|error| ConfigErrors::file(path, format!("is not TOML: {error}")))?;
        let mut values = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, value) in &table {
            let dashed = name.replace('_', "-");
            match KEYS.iter().find(|key| key.name == dashed) {
                None => errors.push(unknown(path, name, &dashed)),
                Some(key) => match text_of(value) {
                    Some(text) => {
                        values.insert(key.name, text);
                    }
                    None => errors.push(ConfigError::Value {
                        at: format!("{name} in {}", path.display()),
                        value: format!("a {}", value.type_str()),
                        accepts: key.accepts,
                    }),
                },
            }
        }
        if errors.is_empty() {
            Ok(Self { path: path.to_owned(), values })
        } else {
            Err(ConfigErrors(errors))
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<(&str, &Path)> {
        self.values.get(name).map(|value| (value.as_str(), self.path.as_path()))
    }
}

fn unknown(path: &Path, name: &str, dashed: &str) -> ConfigError {
    let hint = keys::nearest(dashed, KEYS.iter().map(|key| key.name))
        .map(|near| format!("; did you mean {}?", near.replace('-', "_")))
        .unwrap_or_default();
    ConfigError::File {
        path: path.to_owned(),
        problem: format!("has the unknown key {name}{hint}"),
    }
}

/// Lists become comma-separated text, the form that flags and variables have.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => {
            items.iter().map(text_of).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
