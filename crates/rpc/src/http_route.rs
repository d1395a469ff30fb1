//! What a service says of its own HTTP routes: who may call them, and when the caller's token is asked
//! for.
//!
//! A route of its own is for what the contracts cannot say, such as a WebSocket with frames of a
//! protocol of its own. It stands behind the same layer stack as every RPC, and its handler finds the
//! same [`Permit`](crate::auth::Permit) and [`Correlation`](crate::trace::Correlation) as extensions of
//! the request:
//!
//! ```
//! use axum::{Extension, Router, routing::get};
//! use gamemesh_rpc::auth::{Permit, Role};
//! use gamemesh_rpc::http_route::Access;
//! use gamemesh_rpc::service::Mounted;
//! use gamemesh_rpc::stack::PendingAuthentication;
//! use gamemesh_rpc::websocket::{Session, Upgrade};
//!
//! async fn whoami(Extension(permit): Extension<Permit>) -> String {
//!     permit.principal().subject.to_string()
//! }
//!
//! async fn play(
//!     Extension(pending): Extension<PendingAuthentication>,
//!     upgrade: Upgrade,
//! ) -> axum::response::Response {
//!     upgrade.choose(&["play.v1"]).on_upgrade(|mut session: Session| async move {
//!         let first = session.socket.recv().await;
//!         if let Some(Ok(axum::extract::ws::Message::Text(token))) = first {
//!             let permit = pending.authenticate(&token);
//!             assert!(permit.is_err());
//!         }
//!     })
//! }
//!
//! let mounted = Mounted::new("play")
//!     .http(Router::new().route("/api/v1/play/whoami", get(whoami)))
//!     .http_with(
//!         Access::of(&[Role::Player]).later(),
//!         Router::new().route("/api/v1/play/connect", get(play)),
//!     );
//! # drop(mounted);
//! ```

use axum::Router;
use http::Method;

use crate::auth::{Role, RoleSet};
use crate::methods::Class;

/// Who may call some routes, and when his token is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    pub(crate) roles: RoleSet,
    class: Option<Class>,
    pub(crate) is_later: bool,
}

impl Access {
    /// Everybody who has a valid token, of any role.
    pub const fn any_role() -> Self {
        Self { roles: RoleSet::ALL, class: None, is_later: false }
    }

    /// Callers with one of these roles, and administrators.
    pub const fn of(roles: &[Role]) -> Self {
        Self { roles: RoleSet::of(roles), class: None, is_later: false }
    }

    /// Lets requests without a token pass: the handler finds a
    /// [`PendingAuthentication`](crate::stack::PendingAuthentication) and asks it with a token that comes
    /// later, such as in the first message of a WebSocket. A token that comes with the request is
    /// verified with the request all the same.
    #[must_use]
    pub const fn later(mut self) -> Self {
        self.is_later = true;
        self
    }

    /// Counts all requests as reads, or all as writes, where the HTTP method does not tell.
    #[must_use]
    pub const fn class(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }

    pub(crate) fn class_of(&self, method: &Method) -> Class {
        let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        self.class.unwrap_or(if safe { Class::Read } else { Class::Write })
    }
}

/// Some routes of a service with what it says of them.
#[derive(Debug)]
pub struct HttpRoutes {
    pub access: Access,
    pub router: Router,
}
