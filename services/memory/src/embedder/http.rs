//! A model behind an HTTP endpoint, as OpenAI or text-embeddings-inference speak it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_domain::memory::Model;
use gamemesh_guard::CircuitBreaker;
use gamemesh_rpc::config::Secret;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::json;

use super::{Embedded, Embedder, Refused};

/// Texts of one request.
const BATCH_MAX: usize = 32;

/// How long an answer is waited for.
const REPLY_MAX: Duration = Duration::from_secs(10);

/// An answer, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How the endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `POST /v1/embeddings` with `{"model", "input"}`.
    OpenAi,
    /// `POST /embed` with `{"inputs"}`.
    Tei,
}

/// Where it is and what it has.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// With its path.
    pub url: Uri,
    pub api: Api,
    /// Name and version of the model, as collections name it.
    pub name: String,
    pub version: String,
    pub dimension: usize,
    /// Sent as a bearer token.
    pub key: Option<Secret>,
}

pub struct HttpEmbedder {
    endpoint: Endpoint,
    model: Model,
    client: Client<HttpConnector, Full<Bytes>>,
    breaker: CircuitBreaker,
    reply_max: Duration,
}

impl HttpEmbedder {
    pub fn new(endpoint: Endpoint) -> Result<Self, String> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let model = Model::parse(&endpoint.name, &endpoint.version);
        let model = model.map_err(|error| error.message)?;
        Ok(Self { endpoint, model, client, breaker: CircuitBreaker::new(), reply_max: REPLY_MAX })
    }

    /// With another time to wait for an answer.
    #[must_use]
    pub const fn reply_max(mut self, reply_max: Duration) -> Self {
        self.reply_max = reply_max;
        self
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Refused> {
        let Endpoint { url, api, name, key, .. } = &self.endpoint;
        let body = match api {
            Api::OpenAi => json!({ "model": name, "input": texts }),
            Api::Tei => json!({ "inputs": texts, "truncate": true }),
        };
        let mut request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| Refused::Away(error.to_string()))?;
        let away = |error: &dyn std::fmt::Display| Refused::Away(error.to_string());
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| away(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|error| away(&error))?.to_bytes();
            Ok((status, body))
        };
        let (status, body) = tokio::time::timeout(self.reply_max, exchange)
            .await
            .map_err(|_| Refused::Away("no answer in time".to_owned()))??;
        match status {
            StatusCode::OK => read(*api, &body, texts.len(), self.endpoint.dimension),
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => Err(Refused::Text(format!("status {status}"))),
            status => Err(Refused::Away(format!("status {status}"))),
        }
    }
}

#[async_trait]
impl Embedder for HttpEmbedder {
    fn model(&self) -> &Model {
        &self.model
    }

    fn dimension(&self) -> usize {
        self.endpoint.dimension
    }

    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Embedded>, Refused> {
        let mut made = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH_MAX) {
            let entered = self.breaker.try_acquire();
            let _entry = entered
                .map_err(|_| Refused::Away("the endpoint has not answered lately".to_owned()))?;
            let answered = self.ask(batch).await;
            self.breaker.record(!matches!(answered, Err(Refused::Away(_))));
            made.extend(answered?);
        }
        Ok(made.into_iter().map(|vector| Embedded { vector, truncated: false }).collect())
    }
}

#[derive(Deserialize)]
struct OpenAiAnswer {
    data: Vec<OpenAiVector>,
}

#[derive(Deserialize)]
struct OpenAiVector {
    index: usize,
    embedding: Vec<f32>,
}

/// The vectors in the order of the texts: answers may come in another.
fn read(api: Api, body: &[u8], texts: usize, dimension: usize) -> Result<Vec<Vec<f32>>, Refused> {
    let unreadable = |error: serde_json::Error| Refused::Away(format!("answer: {error}"));
    let vectors: Vec<Vec<f32>> = match api {
        Api::Tei => serde_json::from_slice(body).map_err(unreadable)?,
        Api::OpenAi => {
            let answer: OpenAiAnswer = serde_json::from_slice(body).map_err(unreadable)?;
            let mut places: Vec<Option<Vec<f32>>> = vec![None; texts];
            for OpenAiVector { index, embedding } in answer.data {
                let place = places.get_mut(index).filter(|place| place.is_none());
                *place.ok_or_else(|| Refused::Away(format!("answer: index {index}")))? =
                    Some(embedding);
            }
            places.into_iter().flatten().collect()
        }
    };
    if vectors.len() != texts {
        return Err(Refused::Away(format!("answer: {} vectors for {texts} texts", vectors.len())));
    }
    if let Some(other) = vectors.iter().find(|vector| vector.len() != dimension) {
        let length = other.len();
        return Err(Refused::Away(format!("answer: {length} numbers where {dimension} are told")));
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_placed_by_their_index() {
        let body = br#"{"data":[{"index":2,"embedding":[3]},{"index":0,"embedding":[1]},
            {"index":1,"embedding":[2]}]}"#;
        assert_eq!(read(Api::OpenAi, body, 3, 1).unwrap(), [[1.0], [2.0], [3.0]]);
        assert_eq!(read(Api::Tei, b"[[1],[2]]", 2, 1).unwrap(), [[1.0], [2.0]]);
    }

    #[test]
    fn answers_that_do_not_fit_are_refused() {
        let twice = br#"{"data":[{"index":0,"embedding":[3]},{"index":0,"embedding":[1]}]}"#;
        for (api, body, texts) in [
            (Api::OpenAi, &twice[..], 2),
            (Api::OpenAi, br#"{"data":[{"index":7,"embedding":[3]}]}"#, 1),
            (Api::OpenAi, br#"{"data":[]}"#, 1),
            (Api::Tei, b"[[1]]", 2),
            (Api::Tei, b"[[1,2]]", 1),
            (Api::Tei, b"{}", 1),
            (Api::Tei, b"", 1),
        ] {
            assert!(matches!(read(api, body, texts, 1), Err(Refused::Away(_))), "{body:?}");
        }
    }
}
