//! Calls to other services: near and far look the same.
//!
//! A service calls another through the other's generated client, over one boxed tower service. Where the
//! other is in the same process, that is the process's own routes behind the layer stack; else it is a
//! channel to the address that the configuration names (`PEER_STATS=http://stats:8080`). Which it is, is
//! bound when every service of the process is there; the caller cannot tell.
//!
//! ```
//! use gamemesh_domain::Result;
//! use gamemesh_rpc::peers::{Origin, PeerChannel, ServicePeers};
//! use tonic_health::pb::HealthCheckRequest;
//! use tonic_health::pb::health_client::HealthClient;
//!
//! async fn ask(peers: &ServicePeers, request: &tonic::Request<()>) -> Result<()> {
//!     let channel: PeerChannel = peers.channel("stats", Origin::of(request.extensions())?)?;
//!     let mut client = HealthClient::new(channel);
//!     # let _ = client.check(HealthCheckRequest::default());
//!     Ok(())
//! }
//! ```
//!
//! The caller is the service itself (`service:combat`, with the role of a game server), and beside it goes
//! the caller on whose behalf it calls ([`OnBehalfOf`]); his deadline, correlation and trace go along.

mod channel;
mod identity;
mod origin;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gamemesh_domain::{Code, Error, Result};
use http::{Request, Response};
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _};

pub use self::channel::PeerChannel;
pub use self::identity::Identity;
pub(crate) use self::identity::is_service;
pub(crate) use self::origin::InProcess;
pub use self::origin::{OnBehalfOf, Origin};
use crate::tls::{Connector, Pings};

const PINGS: Pings = Pings { interval: Duration::from_secs(5), timeout: Duration::from_secs(5) };

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Transport = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// Where the services of this and of other processes are. Clones are the same.
#[derive(Clone)]
pub struct Peers(Arc<Inner>);

struct Inner {
    remote: HashMap<String, Transport>,
    identity: Identity,
    local: OnceLock<Local>,
}

/// The services of this process.
struct Local {
    roles: Vec<&'static str>,
    transport: Transport,
}

/// The other services, as one of this process's reaches them.
#[derive(Debug, Clone)]
pub struct ServicePeers {
    peers: Peers,
    service: Arc<str>,
}

impl Peers {
    /// Services by the addresses that the configuration names, such as `http://stats:8080`. Connections
    /// are made when they are needed. Needs a runtime.
    pub fn new(
        addresses: &[(String, String)],
        identity: Identity,
        connector: &Connector,
    ) -> Result<Self> {
        let mut remote = HashMap::new();
        for (role, address) in addresses {
            let channel = connector.to_url(address, PINGS)?;
            let channel = channel.map_err(Into::into);
            remote.insert(role.clone(), BoxCloneSyncService::new(channel));
        }
        Ok(Self(Arc::new(Inner { remote, identity, local: OnceLock::new() })))
    }

    /// No service but those of this process.
    pub fn local() -> Self {
        let identity = Identity::none();
        Self(Arc::new(Inner { remote: HashMap::new(), identity, local: OnceLock::new() }))
    }

    /// Says which services this process has, and where they are reached. The first time counts.
    pub fn bind<S>(&self, roles: Vec<&'static str>, routes: S)
    where
        S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let transport = BoxCloneSyncService::new(routes.map_err(Into::into));
        let _ = self.0.local.set(Local { roles, transport });
    }

    /// The other services, as the one with this name calls them.
    pub fn of(&self, service: &str) -> ServicePeers {
        ServicePeers { peers: self.clone(), service: service.into() }
    }
}

impl ServicePeers {
    /// Whether a service can be called, from here or from afar.
    pub fn has(&self, role: &str) -> bool {
        let Inner { remote, local, .. } = &*self.peers.0;
        remote.contains_key(role) || local.get().is_some_and(|local| local.roles.contains(&role))
    }

    /// What a generated client of this service stands on, for the calls that one request causes.
    pub fn channel(&self, role: &str, origin: Origin) -> Result<PeerChannel> {
        let Inner { remote, identity, local } = &*self.peers.0;
        let here = local.get().filter(|local| local.roles.contains(&role));
        if let Some(local) = here {
            let caller = identity::permit(&self.service);
            return Ok(PeerChannel::near(role, local.transport.clone(), origin, caller));
        }
        let Some(transport) = remote.get(role) else {
            return Err(unknown(role, local.get().is_some()));
        };
        let authorization = identity.authorization(&self.service)?;
        Ok(PeerChannel::far(role, transport.clone(), origin, authorization))
    }
}

fn unknown(role: &str, is_bound: bool) -> Error {
    if !is_bound {
        return Error::new(Code::NotServing, "the services of this process are not bound yet");
    }
    let name = role.to_ascii_uppercase();
    let what = format!(
        "the service {role} is not in this process, and PEER_{name} does not say where it is"
    );
    Error::new(Code::DependencyUnavailable, what).with_fact("service", role)
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.0.local.get().map(|local| &local.roles);
        f.debug_struct("Peers")
            .field("local", &local)
            .field("remote", &self.0.remote.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_nowhere_is_a_refusal_that_says_what_to_configure() {
        let peers = Peers::local();
        let combat = peers.of("combat");
        let origin = || Origin::internal(Duration::from_secs(1));
        let early = combat.channel("stats", origin()).unwrap_err();
        assert_eq!(early.code, Code::NotServing);
        peers.bind(
            vec!["combat", "state"],
            tower::service_fn(async |_| Ok::<_, BoxError>(Response::new(Body::empty()))),
        );
        assert!(combat.has("state") && !combat.has("stats"));
        assert!(combat.channel("state", origin()).is_ok());
        let nowhere = combat.channel("stats", origin()).unwrap_err();
        assert_eq!(nowhere.code, Code::DependencyUnavailable);
        assert!(nowhere.message.contains("PEER_STATS"), "{nowhere:?}");
    }
}
