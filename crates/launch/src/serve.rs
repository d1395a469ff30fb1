//! Start, serve, stop: the life of a process, in order.

use anyhow::Context as _;
use axum::Router;
use gamemesh_rpc::config::Pprof;
use gamemesh_rpc::service::{Task, TaskEnd};
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::assemble::App;
use crate::connection::Connections;
use crate::drain::{self, Outcome};
use crate::listen::{self, Listener};
use crate::protocol_router::ProtocolRouter;
use crate::signals::Signals;
use crate::tls::Tls;

/// The roles' background tasks, while they run.
#[derive(Default)]
pub(crate) struct Running {
    pub(crate) tasks: JoinSet<TaskEnd>,
    pub(crate) stop: CancellationToken,
    serving: CancellationToken,
}

impl App {
    /// Serves until told to stop, then drains. `rest` gets every request that is neither gRPC nor
    /// one of the process's own endpoints; its fallback is the answer to unknown paths.
    pub async fn serve(
        mut self,
        listener: Listener,
        rest: Router,
        mut signals: Signals,
    ) -> anyhow::Result<Outcome> {
        let (listen, limits) = (&self.config.listen, &self.config.limits);
        let connections = Connections::new(listen, limits, self.lifecycle.clone(), &self.metrics);
        let tls = self.config.tls.as_ref().map(Tls::new).transpose().context("TLS")?;
        if let Some(tls) = tls.clone() {
            let task = Task::new("certificates", |stop| tls.reload(stop));
            self.work.tasks.push(task);
        }
        let mut running = Running::default();
        for task in std::mem::take(&mut self.work.tasks) {
            tracing::debug!(task = %task.name, "a background task begins");
            let (stop, serving) = (running.stop.clone(), running.serving.clone());
            running.tasks.spawn(task.supervised(stop, serving));
        }

        if let (Pprof::Own(addr), Some(router)) = (&self.config.pprof, self.own_pprof.take()) {
            let own = Listener::bind(*addr).context("PPROF_ADDR")?;
            tracing::info!(addr = %own.addr(), "profiles");
            tokio::spawn(connections.clone().accept(own.tcp, TowerToHyperService::new(router)));
        }

        let addr = listener.addr();
        let rest = if self.own.has_routes() {
            std::mem::take(&mut self.own).fallback_service(rest)
        } else {
            rest
        };
        let rest = self.admin.clone().fallback_service(rest);
        let router =
            ProtocolRouter::new(self.upstream.clone(), rest, &self.config.listen.cors_origins);
        tokio::spawn(connections.clone().over(tls).accept(listener.tcp, router));
        self.lifecycle.serve();
        // Whoever waits for the port file or the log line finds a server that says it serves.
        self.health.refresh().await;
        let health = tokio::spawn(self.health.clone().follow());
        if let Some(path) = &self.config.listen.port_file {
            listen::write_port_file(path, addr.port())
                .with_context(|| format!("the port cannot be written to {}", path.display()))?;
        }
        running.serving.cancel();
        tracing::info!(%addr, environment = self.config.environment.as_str(), "listening");

        let ended = tokio::select! {
            signal = signals.next() => {
                tracing::info!(signal, "draining");
                None
            }
            Some(ended) = running.tasks.join_next() => Some(ended),
        };
        // Half a service is worse than a restart: the process stops being ready, and ends with the reason.
        let failure = ended.map(|ended| {
            let problem = match ended {
                Ok(end) => end.to_string(),
                Err(error) => format!("a background task failed: {error}"),
            };
            tracing::error!(problem, "draining");
            anyhow::anyhow!(problem)
        });
        let outcome = drain::drain(&mut self, &connections, running, &mut signals).await;
        health.abort();
        match failure {
            Some(failure) => Err(failure),
            None => Ok(outcome),
        }
    }
}
