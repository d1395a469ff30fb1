//! What is logged, changed while the process runs.
//!
//! `GET /debug/log-level` answers what is logged now, `PUT /debug/log-level?level=info,gamemesh_state=debug`
//! changes it until the process ends, for administrators only. Nothing is written to a file: what holds
//! after a restart is the configuration's to say.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use gamemesh_domain::{Code, Error};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::auth::Permit;
use crate::error::to_http;
use crate::http_route::{Access, HttpRoutes};

/// The directives of a log, which is the one of this process. Clones are the same.
#[derive(Clone)]
pub struct LogLevel(Arc<Inner>);

struct Inner {
    handle: reload::Handle<EnvFilter, Registry>,
    /// As they were written, since a filter shows itself in another order.
    now: Mutex<String>,
    configured: String,
}

impl LogLevel {
    pub(super) fn new(configured: &str, handle: reload::Handle<EnvFilter, Registry>) -> Self {
        let now = Mutex::new(configured.to_owned());
        Self(Arc::new(Inner { handle, now, configured: configured.to_owned() }))
    }

    /// Logs by these directives from now on.
    pub fn set(&self, directives: &str) -> Result<(), Error> {
        let filter = parse("level", directives)?;
        let mut now = self.0.now.lock();
        self.0.handle.reload(filter).map_err(Error::internal)?;
        directives.clone_into(&mut now);
        Ok(())
    }

    /// The route for it.
    pub fn routes(self) -> HttpRoutes {
        let router = Router::new().route("/debug/log-level", get(show).put(change));
        HttpRoutes { access: Access::of(&[]), router: router.with_state(self) }
    }

    fn answer(&self) -> Response {
        let level = self.0.now.lock().clone();
        Json(json!({ "level": level, "configured": self.0.configured })).into_response()
    }
}

/// Directives such as `info,sqlx=warn`.
pub(super) fn parse(name: &str, directives: &str) -> Result<EnvFilter, Error> {
    let wrong = |why: &str| {
        let accepts =
            "error, warn, info, debug, trace or off, or directives such as info,sqlx=warn";
        Error::new(Code::InvalidArgument, format!("{name}: {why}; accepts {accepts}"))
            .with_field(name, accepts)
    };
    if directives.trim().is_empty() {
        return Err(wrong("it is empty"));
    }
    EnvFilter::try_new(directives).map_err(|error| wrong(&error.to_string()))
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(default)]
    level: String,
}

async fn show(State(log): State<LogLevel>) -> Response {
    log.answer()
}

async fn change(
    State(log): State<LogLevel>,
    Extension(permit): Extension<Permit>,
    Query(change): Query<Change>,
) -> Response {
    if let Err(error) = log.set(&change.level) {
        return to_http(&error);
    }
    let by = &*permit.principal().subject;
    tracing::warn!(level = change.level, by, "the log level was changed");
    log.answer()
}

impl std::fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogLevel").field(&*self.0.now.lock()).finish()
    }
}
