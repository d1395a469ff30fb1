//! `grpc.health.v1`, with what the protocol asks of a watch that the library's service refuses.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::HealthService;

pub(super) struct Answers(pub(super) HealthService);

#[tonic::async_trait]
impl Health for Answers {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.0.check(request).await
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    /// A service that is not there is answered with `SERVICE_UNKNOWN`, and the stream stays open. The
    /// services of a process are those that it began with, so nothing follows.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        match self.0.watch(request).await {
            Ok(response) => Ok(response.map(StreamExt::boxed)),
            Err(status) if status.code() == Code::NotFound => {
                let status = ServingStatus::ServiceUnknown.into();
                let unknown = stream::iter([Ok(HealthCheckResponse { status })]);
                Ok(Response::new(unknown.chain(stream::pending()).boxed()))
            }
            Err(status) => Err(status),
        }
    }
}
