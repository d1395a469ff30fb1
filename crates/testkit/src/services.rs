//! Servers of one test, which may break them. They are started by `scripts/services` and go away with
//! the test process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::keeper::{Keeper, keeper};

/// What `scripts/services` started in a folder of its own.
#[derive(Debug)]
pub(crate) struct Services {
    folder: PathBuf,
    /// Where the certificates lie that servers show and ask for; `None`: they speak in the clear.
    tls: Option<PathBuf>,
    _keeper: Keeper,
}

impl Services {
    /// Starts a service with fresh data; answers what it is reached by, the value of this variable.
    pub(crate) fn up(service: &str, variable: &str) -> anyhow::Result<(Self, String)> {
        Self::up_with(service, variable, None)
    }

    /// The same with TLS, by the certificates in a folder.
    pub(crate) fn up_with(
        service: &str,
        variable: &str,
        tls: Option<PathBuf>,
    ) -> anyhow::Result<(Self, String)> {
        // A server may run as another user, so the folder is removed by the shell that ends it.
        let prefix = format!("gamemesh-{service}-");
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir()?.keep();
        let keeper = keeper(&format!(
            "GAMEMESH_SERVICES_DIR='{0}' '{1}' down {service}; rm -rf '{0}'",
            folder.display(),
            script()?.display(),
        ))?;
        let services = Self { folder, tls, _keeper: keeper };
        services.run(&["up", service])?;
        let value = services.variable(variable)?;
        Ok((services, value))
    }

    /// What something that runs is reached by.
    pub(crate) fn variable(&self, name: &str) -> anyhow::Result<String> {
        let printed = self.run(&["env"])?;
        let mut variables =
            printed.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        let value = variables.find_map(|(found, value)| (found == name).then_some(value));
        Ok(value.with_context(|| format!("scripts/services prints {name}"))?.to_owned())
    }

    /// Where a process keeps its data.
    pub(crate) fn folder(&self, process: &str) -> PathBuf {
        self.folder.join(process)
    }

    /// A verb of `scripts/services` and what it is about.
    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(script()?);
        command.args(arguments).env("GAMEMESH_SERVICES_DIR", &self.folder);
        command.envs(self.tls.as_ref().map(|folder| ("GAMEMESH_SERVICES_TLS", folder)));
        output(&mut command)
    }
}

/// What a program prints; an error if it fails.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

fn script() -> anyhow::Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services").canonicalize()?)
}
