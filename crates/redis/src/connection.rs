//! Connections to one server, or to all nodes of a cluster.

use std::time::Duration;

use redis::aio::ConnectionLike as _;
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisResult, Value};

use crate::address::Address;
use crate::cluster::Cluster;
use crate::error::{Failure, OpenError};

/// Makes connections.
pub(crate) enum Connector {
    Server { client: Box<Client>, config: Box<AsyncConnectionConfig> },
    Cluster(Cluster),
}

pub(crate) enum Connection {
    Server(MultiplexedConnection),
    /// Clones of it are the same connections.
    Cluster(ClusterConnection),
}

impl Connector {
    /// Needs the runtime, on which connections live.
    pub(crate) fn new(address: &Address, timeout: Duration) -> Result<Self, OpenError> {
        let wrong = |_| OpenError::Url { why: "it cannot be used".to_owned() };
        match address {
            Address::Server(server) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(timeout))
                    // The time of the whole operation is bounded where it begins.
                    .set_response_timeout(None);
                let client = Client::open(server.clone()).map_err(wrong)?;
                Ok(Self::Server { client: Box::new(client), config: Box::new(config) })
            }
            Address::Cluster(nodes) => {
                Cluster::new(nodes, timeout).map(Self::Cluster).map_err(wrong)
            }
        }
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        match self {
            Self::Server { client, config } => client
                .get_multiplexed_async_connection_with_config(config)
                .await
                .map(Connection::Server)
                // That which is only being made has not ended.
                .map_err(|error| match Failure::of(error) {
                    Failure::Ended(why) => Failure::Away(why),
                    other => other,
                }),
            Self::Cluster(cluster) => Ok(Connection::Cluster(cluster.connections())),
        }
    }

    /// A command got no answer.
    pub(crate) fn doubt(&self) {
        if let Self::Cluster(cluster) = self {
            cluster.doubt();
        }
    }

    /// Whether a connection is better kept than made anew.
    pub(crate) fn keeps(&self) -> bool {
        matches!(self, Self::Server { .. })
    }
}

impl Connection {
    pub(crate) async fn ask(&mut self, command: &Cmd) -> Result<Value, Failure> {
        let asked: RedisResult<Value> = match self {
            Self::Server(connection) => command.query_async(connection).await,
            Self::Cluster(cluster) => command.query_async(cluster).await,
        };
        asked.map_err(Failure::of)
    }

    /// Sends commands at once. What the server says to each is in the answer, refusals too, unless it
    /// serves nobody now.
    pub(crate) async fn ask_each(&mut self, commands: &Pipeline) -> Result<Value, Failure> {
        let asked = match self {
            Self::Server(connection) => {
                connection.req_packed_commands(commands, 0, commands.len()).await
            }
            Self::Cluster(cluster) => {
                cluster.req_packed_commands(commands, 0, commands.len()).await
            }
        };
        let answers = asked.map_err(Failure::of)?;
        let first = answers.first().cloned().unwrap_or(Value::Nil);
        match first.extract_error().map_err(Failure::of) {
            Err(failure) if !failure.reached() => Err(failure),
            _ => Ok(Value::Array(answers)),
        }
    }

    /// Sends one command; in a cluster to the node that has this slot.
    pub(crate) async fn ask_at(&mut self, slot: u16, command: &Cmd) -> Result<Value, Failure> {
        let node = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
        self.ask_node(node, command).await
    }

    /// Whether it can be reached; of a cluster, all that have slots.
    pub(crate) async fn ping(&mut self) -> Result<(), Failure> {
        self.ask(&redis::cmd("PING")).await.map(drop)
    }

    /// Whether it can be reached; of a cluster, any node: the others are of use without the rest.
    pub(crate) async fn probe(&mut self) -> Result<(), Failure> {
        self.ask_node(SingleNodeRoutingInfo::Random, &redis::cmd("PING")).await.map(drop)
    }

    async fn ask_node(
        &mut self,
        node: SingleNodeRoutingInfo,
        command: &Cmd,
    ) -> Result<Value, Failure> {
        let Self::Cluster(cluster) = self else { return self.ask(command).await };
        let asked = cluster.route_command(command.clone(), RoutingInfo::SingleNode(node)).await;
        asked.and_then(Value::extract_error).map_err(Failure::of)
    }
}
