//! The server under test with the content that measurements need, and sessions on it.

use std::path::Path;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::combat_service_client::CombatServiceClient;

use crate::connection::Connection;
use crate::exit::{Outcome, Problem};
use crate::server::{Server, failed};
use crate::state::hot_read;

/// Players of one session.
pub(super) const SEATS: u32 = 20;

/// The files of the content.
const CONTENT: [(&str, &str); 5] = [
    ("rules.toml", include_str!("content/rules.toml")),
    ("weapons.toml", include_str!("content/weapons.toml")),
    ("actions.toml", include_str!("content/actions.toml")),
    ("modes.toml", include_str!("content/modes.toml")),
    ("maps/range.toml", include_str!("content/maps/range.toml")),
];

/// A server that nobody else uses.
pub(super) struct Arena {
    server: Server,
    service: CombatServiceClient<Connection>,
}

impl Arena {
    pub(super) async fn open(dir: &Path) -> Outcome<Self> {
        let content = tempfile::Builder::new().prefix("content-").tempdir_in(dir)?.keep();
        std::fs::create_dir(content.join("maps"))?;
        for (name, text) in CONTENT {
            std::fs::write(content.join(name), text)?;
        }
        let store = tempfile::Builder::new().prefix("store-").tempdir_in(dir)?.keep();
        let url = format!("sqlite://{}", store.join("gamemesh.db").display());
        let folder = content.display().to_string();
        let server = Server::on(dir, &url, &["--combat-content", &folder]).await?;
        let connection = Connection::open(server.address()).await?;
        let origin = format!("http://{}", server.address());
        let origin = http::Uri::try_from(origin).map_err(Problem::failed)?;
        Ok(Self { server, service: CombatServiceClient::with_origin(connection, origin) })
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn address(&self) -> &str {
        self.server.address()
    }

    /// A session of so many seats, which begins when they are taken.
    pub(super) async fn session(&self, seats: u32, tick_hz: i32) -> Outcome<String> {
        let policy = pb::SessionPolicy {
            tick_hz: Some(tick_hz),
            auto_start_players: Some(seats as i32),
            idle_grace_s: Some(600),
            ..pb::SessionPolicy::default()
        };
        let request = pb::CreateSessionRequest {
            max_players: seats as i32,
            policy: Some(policy),
            ..pb::CreateSessionRequest::default()
        };
        let created = self.service.clone().create_session(request).await.map_err(failed)?;
        Ok(created.into_inner().session.unwrap_or_default().session_id)
    }

    /// Seats a player who has no connection.
    pub(super) async fn seat(&self, session: &str, player: &str) -> Outcome {
        let request = pb::JoinSessionRequest {
            session_id: session.to_owned(),
            player_id: player.to_owned(),
            team: 0,
        };
        self.service.clone().join_session(request).await.map_err(failed)?;
        Ok(())
    }

    /// Where the players of a session are, by seat.
    pub(super) async fn places(&self, session: &str) -> Outcome<Vec<pb::Vector>> {
        let request = pb::GetSessionStateRequest { session_id: session.to_owned() };
        let state = self.service.clone().get_session_state(request).await.map_err(failed)?;
        let entities = state.into_inner().snapshot.unwrap_or_default().entities;
        Ok(entities.into_iter().filter_map(|entity| entity.position).collect())
    }

    /// Sum of a counter of the server over the series whose labels have this in them.
    pub(super) async fn counted(&self, counter: &str, label: &str) -> Outcome<u64> {
        let mut connection = hot_read::connection(&self.server).await?;
        let page = hot_read::get(&mut connection, self.address(), "/metrics").await?;
        let page = String::from_utf8_lossy(&page);
        let values = page
            .lines()
            .filter(|line| line.starts_with(counter) && line.contains(label))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum::<f64>() as u64)
    }
}
