//! Looks a key up in its sources and keeps count of what is wrong.

use std::fmt;
use std::path::{Path, PathBuf};

use super::args::ServerArgs;
use super::file::ConfigFile;
use super::keys::{self, DATABASE_URL_DEFAULT};

/// Where a value came from, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Flag,
    Environment,
    File,
    Default,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigError {
    /// A value that its key does not accept. `value` is redacted when the key is a secret.
    Value { at: String, value: String, accepts: &'static str },
    /// A role that this binary does not have.
    Role { role: String, accepts: String },
    /// A file that cannot be used.
    File { path: PathBuf, problem: String },
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

pub(super) struct Found {
    pub(super) value: String,
    pub(super) source: Source,
    /// The name under which the user knows it: `--cache-ttl`, `CACHE_TTL`, `cache_ttl in x.toml`.
    at: String,
}

pub(super) struct Reader<'a> {
    args: &'a ServerArgs,
    env: &'a dyn Fn(&str) -> Option<String>,
    file: Option<&'a ConfigFile>,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        args: &'a ServerArgs,
        env: &'a dyn Fn(&str) -> Option<String>,
        file: Option<&'a ConfigFile>,
    ) -> Self {
        Self { args, env, file, errors: Vec::new() }
    }

    /// The value of a key that has a default.
    pub(super) fn read<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        self.read_opt(name, &parse).unwrap_or_else(|| {
            let key = keys::find(name);
            let default = if name == "database-url" { DATABASE_URL_DEFAULT } else { key.default };
            parse(default).expect("every default is acceptable")
        })
    }

    /// The value of a key, if it is set and acceptable.
    pub(super) fn read_opt<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let found = self.find(name)?;
        let parsed = parse(&found.value);
        if parsed.is_none() {
            self.wrong(name, &found, keys::find(name).accepts);
        }
        parsed
    }

    /// The strongest source that sets the key.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        [Source::Flag, Source::Environment, Source::File]
            .into_iter()
            .find_map(|source| self.find_in(name, source))
    }

    pub(super) fn find_in(&self, name: &str, source: Source) -> Option<Found> {
        match source {
            Source::Flag => self.args.get(name).map(|value| Found {
                value: value.to_owned(),
                source,
                at: format!("--{name}"),
            }),
            // Compose files and shells leave variables set but empty; that means unset.
            Source::Environment => keys::find(name).env.iter().find_map(|variable| {
                (self.env)(variable).filter(|value| !value.is_empty()).map(|value| Found {
                    value,
                    source,
                    at: (*variable).to_owned(),
                })
            }),
            Source::File => self.file?.get(name).map(|(value, path)| Found {
                value: value.to_owned(),
                source,
                at: format!("{} in {}", name.replace('-', "_"), path.display()),
            }),
            Source::Default => None,
        }
    }

    /// Records that the value of a key is not acceptable beside the others.
    pub(super) fn refuse(&mut self, name: &str, accepts: &'static str) {
        let found = self.find(name).unwrap_or_else(|| Found {
            value: keys::find(name).default.to_owned(),
            source: Source::Default,
            at: keys::find(name).env.first().map_or_else(|| name.to_owned(), |v| (*v).to_owned()),
        });
        self.wrong(name, &found, accepts);
    }

    pub(super) fn wrong(&mut self, name: &str, found: &Found, accepts: &'static str) {
        let secret = keys::find(name).secret && !found.value.is_empty();
        let value = if secret { "[redacted]".to_owned() } else { format!("{:?}", found.value) };
        self.errors.push(ConfigError::Value { at: found.at.clone(), value, accepts });
    }

    pub(super) fn finish<T>(self, config: T) -> Result<T, ConfigErrors> {
        if self.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(self.errors)) }
    }
}

impl ConfigError {
    pub(super) fn wrong_role(role: &str, known: &[&str]) -> Self {
        let near = keys::nearest(role, known.iter().copied());
        let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Self::Role { role: role.to_owned(), accepts: format!("all, {}{hint}", known.join(", ")) }
    }
}

impl ConfigErrors {
    pub(super) fn file(path: &Path, problem: String) -> Self {
        Self(vec![ConfigError::File { path: path.to_owned(), problem }])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { at, value, accepts } => {
                write!(f, "{at} is {value}, but accepts {accepts}")
            }
            Self::Role { role, accepts } => {
                write!(f, "services names {role:?}, but accepts {accepts}")
            }
            Self::File { path, problem } => write!(f, "{} {problem}", path.display()),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigError {}
impl std::error::Error for ConfigErrors {}
