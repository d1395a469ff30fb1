//! Start, serve, stop: the life of a process, in order.

use anyhow::Context as _;
use axum::Router;
use gamemesh_rpc::config::Pprof;
use gamemesh_rpc::service::Task;
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
pub(crate) struct Running {
    pub(crate) tasks: JoinSet<&'static str>,
    pub(crate) stop: CancellationToken,
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
        let connections =
            Connections::new(&self.config.listen, self.lifecycle.clone(), &self.metrics);
        let tls = self.config.tls.as_ref().map(Tls::new).transpose().context("TLS")?;
        if let Some(tls) = tls.clone() {
            let task =
                Task { name: "certificates", run: Box::new(|stop| Box::pin(tls.reload(stop))) };
            self.work.tasks.push(task);
        }
        let mut running = Running { tasks: JoinSet::new(), stop: CancellationToken::new() };
        for task in std::mem::take(&mut self.work.tasks) {
            let work = (task.run)(running.stop.clone());
            running.tasks.spawn(async move {
                work.await;
                task.name
            });
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
        tracing::info!(%addr, environment = self.config.environment.as_str(), "listening");

        let ended = tokio::select! {
            signal = signals.next() => {
                tracing::info!(signal, "draining");
                None
            }
            Some(ended) = running.tasks.join_next() => Some(ended),
        };
        let failure = ended.map(|ended| {
            let problem = match ended {
                Ok(name) => format!("the background task {name} ended"),
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
