//! The keys as command-line flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::keys::{KEYS, Key};

const CONFIG: &str = "config";

/// The flags of `gamemesh serve`, as they were written. Flatten it into a clap command:
///
/// ```
/// #[derive(clap::Parser)]
/// struct Serve {
///     #[command(flatten)]
///     server: gamemesh_rpc::config::ServerArgs,
/// }
/// ```
#[derive(Clone, Default)]
pub struct ServerArgs {
    /// The file named by `--config`.
    pub config: Option<PathBuf>,
    values: BTreeMap<&'static str, String>,
}

impl ServerArgs {
    /// The same with one flag set, as if it stood on the command line.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.insert(super::keys::find(name).name, value.into());
        self
    }

    /// The same with a file, as `--config` would name it.
    #[must_use]
    pub fn with_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.config = Some(path.into());
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn take(&mut self, matches: &ArgMatches) {
        if let Some(path) = matches.get_one::<PathBuf>(CONFIG) {
            self.config = Some(path.clone());
        }
        for key in KEYS {
            if let Some(value) = matches.get_one::<String>(key.name) {
                self.values.insert(key.name, value.clone());
            }
        }
    }
}

impl Args for ServerArgs {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("TOML file with any of the keys below, dashes written as underscores [env: GAMEMESH_CONFIG]");
        KEYS.iter().fold(command.arg(file), |command, key| command.arg(flag(key)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServerArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.take(matches);
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.take(matches);
        Ok(())
    }
}

impl fmt::Debug for ServerArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerArgs")
            .field("config", &self.config)
            .field("set", &self.values.keys())
            .finish()
    }
}

/// Values are text here: [`super::ServerConfig::resolve`] judges flags, environment and file by
/// the same rules and with the same words.
fn flag(key: &'static Key) -> Arg {
    let mut help = format!("{} [env: {}]", key.help, key.env.join(", "));
    if !key.default.is_empty() {
        help.push_str(&format!(" [default: {}]", key.default));
    }
    help.push_str(&format!(" [accepts: {}]", key.accepts));
    Arg::new(key.name)
        .long(key.name)
        .value_name("VALUE")
        .help(help)
        .help_heading(key.heading)
        .hide_default_value(true)
        .allow_negative_numbers(true)
}
