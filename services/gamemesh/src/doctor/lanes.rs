//! Lanes that instances share out: can the others reach this one?

use gamemesh_backends::Place;
use gamemesh_repository::LogName;
use gamemesh_rpc::config::{Lanes, ServerConfig};
use tokio::net::lookup_host;

use super::Finding;

const CHECK: &str = "lanes";

pub(super) async fn shared_out(config: &ServerConfig) -> Option<Finding> {
    let Lanes::Owned { advertise, lease } = &config.lanes else { return None };
    let url = config.storage.database_url.expose();
    if !matches!(gamemesh_backends::place(url, LogName::State), Ok(Place::DatabaseServer)) {
        return Some(Finding::warning(
            CHECK,
            "owned, but the store has one process",
            "set DATABASE_URL=postgres://… to run several instances, or leave LANES out",
        ));
    }
    let address = advertise.clone().unwrap_or_else(|| config.listen.addr.to_string());
    Some(match lookup_host(&address).await {
        Ok(_) => {
            let found = format!("owned for {lease:?}; others reach this instance at {address}");
            Finding::ok(CHECK, found)
        }
        Err(error) => Finding::failure(
            CHECK,
            format!("ADVERTISE_ADDR {address}: {error}"),
            "name an address that the other instances can resolve and reach",
        ),
    })
}
