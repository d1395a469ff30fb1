//! A connection that is borrowed from the pool.

use deadpool::managed::Object;
use redis::aio::ConnectionLike as _;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, Pipeline, RedisResult, Value};

use crate::connections::{Borrowed, ClusterManager, ServerManager};
use crate::error::Failure;

/// It goes back to the pool only if it was [returned](Self::give_back): where an answer is still on its way,
/// nobody should wait behind it.
pub(crate) struct Connection(Option<Borrowed>);

impl Connection {
    pub(crate) fn server(connection: Object<ServerManager>) -> Self {
        Self(Some(Borrowed::Server(connection)))
    }

    pub(crate) fn cluster(connection: Object<ClusterManager>) -> Self {
        Self(Some(Borrowed::Cluster(connection)))
    }

    /// Whether it was used before, and may have been lost since.
    pub(crate) fn is_reused(&self) -> bool {
        match &self.0 {
            Some(Borrowed::Server(connection)) => Object::metrics(connection).recycle_count > 0,
            Some(Borrowed::Cluster(_)) | None => false,
        }
    }

    /// It may be used again.
    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }

    fn borrowed(&mut self) -> &mut Borrowed {
        self.0.as_mut().expect("it is there until it is given back")
    }

    pub(crate) async fn execute(&mut self, command: &Cmd) -> Result<Value, Failure> {
        let answered: RedisResult<Value> = match self.borrowed() {
            Borrowed::Server(server) => command.query_async(&mut **server).await,
            Borrowed::Cluster(cluster) => command.query_async(&mut cluster.connection).await,
        };
        answered.map_err(Failure::from_redis)
    }

    /// Sends commands at once. What the server says to each is in the answer, refusals too, unless it
    /// serves nobody now.
    pub(crate) async fn execute_each(&mut self, commands: &Pipeline) -> Result<Value, Failure> {
        let answered = match self.borrowed() {
            Borrowed::Server(server) => {
                server.req_packed_commands(commands, 0, commands.len()).await
            }
            Borrowed::Cluster(cluster) => {
                cluster.connection.req_packed_commands(commands, 0, commands.len()).await
            }
        };
        let answers = answered.map_err(Failure::from_redis)?;
        let first = answers.first().cloned().unwrap_or(Value::Nil);
        match first.extract_error().map_err(Failure::from_redis) {
            Err(failure) if !failure.is_answer() => Err(failure),
            _ => Ok(Value::Array(answers)),
        }
    }

    /// Sends one command; in a cluster to the node that has this slot.
    pub(crate) async fn execute_at(&mut self, slot: u16, command: &Cmd) -> Result<Value, Failure> {
        let node = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
        self.execute_on(node, command).await
    }

    /// Whether it can be reached; of a cluster, all nodes that have slots.
    pub(crate) async fn ping(&mut self) -> Result<(), Failure> {
        self.execute(&redis::cmd("PING")).await.map(drop)
    }

    /// Whether it can be reached; of a cluster, any node: the others are of use without the rest.
    pub(crate) async fn probe(&mut self) -> Result<(), Failure> {
        self.execute_on(SingleNodeRoutingInfo::Random, &redis::cmd("PING")).await.map(drop)
    }

    async fn execute_on(
        &mut self,
        node: SingleNodeRoutingInfo,
        command: &Cmd,
    ) -> Result<Value, Failure> {
        let Borrowed::Cluster(cluster) = self.borrowed() else {
            return self.execute(command).await;
        };
        let node = RoutingInfo::SingleNode(node);
        let answered = cluster.connection.route_command(command.clone(), node).await;
        answered.and_then(Value::extract_error).map_err(Failure::from_redis)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        match self.0.take() {
            Some(Borrowed::Server(connection)) => drop(Object::take(connection)),
            Some(Borrowed::Cluster(connection)) => drop(Object::take(connection)),
            None => {}
        }
    }
}
