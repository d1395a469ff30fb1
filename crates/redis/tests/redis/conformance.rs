//! The port's laws, on one server and on a cluster.

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_cache::conformance::Fixture;
use gamemesh_cache::{L2, Lifetimes};
use gamemesh_redis::RedisOptions;

use super::server::{self, listening, open, patient, store};

/// A store of its own, and a user of its own, by whom its connections are known.
struct Tenant {
    store: [u8; 16],
    user: String,
    options: RedisOptions,
}

impl Tenant {
    fn new(lifetimes: Lifetimes) -> Self {
        let user = format!("u{:x}", rand::random::<u64>());
        Self { store: store(), user, options: RedisOptions { lifetimes, ..patient() } }
    }

    fn let_in(&self) -> [&str; 7] {
        ["ACL", "SETUSER", &self.user, "on", ">secret", "~gamemesh:*", "allchannels"]
    }

    /// With what the adapter needs, and nothing else.
    fn allow(&self) -> [&str; 12] {
        [
            "ACL",
            "SETUSER",
            &self.user,
            "+get",
            "+set",
            "+del",
            "+getrange",
            "+eval",
            "+evalsha",
            "+ping",
            "+publish",
            "+subscribe",
        ]
    }

    fn allow_topology(&self) -> [&str; 4] {
        ["ACL", "SETUSER", &self.user, "+cluster"]
    }

    fn cut_off(&self) -> [&str; 4] {
        ["CLIENT", "KILL", "USER", &self.user]
    }

    async fn caller(&self, url: &str) -> Arc<dyn L2> {
        let url = url.replace("redis://", &format!("redis://{}:secret@", self.user));
        let cache = open(&url, self.store, self.options.clone());
        listening(&cache).await;
        Arc::new(cache)
    }
}

mod single {
    use super::*;

    struct Single(Tenant);

    #[async_trait]
    impl Fixture for Single {
        async fn fresh(lifetimes: Lifetimes) -> Self {
            let (tenant, server) = (Tenant::new(lifetimes), server::server().await);
            server.command(&tenant.let_in()).unwrap();
            server.command(&tenant.allow()).unwrap();
            Self(tenant)
        }

        async fn caller(&self) -> Arc<dyn L2> {
            self.0.caller(server::server().await.url()).await
        }

        async fn interrupt(&self) {
            server::server().await.command(&self.0.cut_off()).unwrap();
        }
    }

    gamemesh_cache::conformance_suite!(Single);
}

mod cluster {
    use super::*;

    struct Cluster(Tenant);

    #[async_trait]
    impl Fixture for Cluster {
        async fn fresh(lifetimes: Lifetimes) -> Self {
            let (tenant, cluster) = (Tenant::new(lifetimes), server::cluster().await);
            for node in cluster.nodes() {
                cluster.command(node, &tenant.let_in()).unwrap();
                cluster.command(node, &tenant.allow()).unwrap();
                cluster.command(node, &tenant.allow_topology()).unwrap();
            }
            Self(tenant)
        }

        async fn caller(&self) -> Arc<dyn L2> {
            self.0.caller(server::cluster().await.url()).await
        }

        async fn interrupt(&self) {
            let cluster = server::cluster().await;
            for node in cluster.nodes() {
                cluster.command(node, &self.0.cut_off()).unwrap();
            }
        }
    }

    gamemesh_cache::conformance_suite!(Cluster);
}
