//! The RPCs, one file each, a folder for each service. Here is only the way in and out that they share.

pub(crate) mod events;
pub(crate) mod game_state;
pub(crate) mod memories;
mod parse;

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;
use gamemesh_rpc::error::to_status;
use tonic::{Request, Response, Status};

type AnswerStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

async fn call<E, M, R, F>(
    engine: &Arc<E>,
    request: Request<M>,
    handle: impl FnOnce(Arc<E>, Caller, M) -> F,
) -> Result<Response<R>, Status>
where
    F: Future<Output = Result<R>>,
{
    let (metadata, extensions, message) = request.into_parts();
    let caller = Caller::of(&metadata, &extensions).map_err(|error| to_status(&error))?;
    match handle(engine.clone(), caller, message).await {
        Ok(answer) => Ok(Response::new(answer)),
        Err(error) => Err(to_status(&error)),
    }
}

fn stream<E, M, R: 'static, S>(
    engine: &Arc<E>,
    request: Request<M>,
    handle: impl FnOnce(Arc<E>, &Caller, M) -> Result<S>,
) -> Result<Response<AnswerStream<R>>, Status>
where
    S: Stream<Item = Result<R>> + Send + 'static,
{
    let (metadata, extensions, message) = request.into_parts();
    let stream = Caller::of(&metadata, &extensions)
        .and_then(|caller| handle(engine.clone(), &caller, message))
        .map_err(|error| to_status(&error))?;
    Ok(Response::new(Box::pin(stream.map(|item| item.map_err(|error| to_status(&error))))))
}
