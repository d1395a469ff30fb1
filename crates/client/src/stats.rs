//! The calls of the stats service.

use gamemesh_contracts::stats::v1::match_stats_service_client::MatchStatsServiceClient;
use tonic::Code;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::endpoint::{Target, targets};
use crate::{ClientOptions, Error, Result};

/// Size of one answer.
const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// The generated client, with the caller's token.
pub type StatsCalls = MatchStatsServiceClient<InterceptedService<Channel, Caller>>;

/// The stats service, on the first of several instances that can be reached. Events that are sent again
/// count once, so that whatever breaks off is done again.
#[derive(Debug, Clone)]
pub struct StatsClient {
    channel: Channel,
    caller: Caller,
}

/// Adds the token, and the time that a call may take.
#[derive(Debug, Clone)]
pub struct Caller {
    authorization: Option<MetadataValue<Ascii>>,
    deadline: Option<std::time::Duration>,
}

impl Interceptor for Caller {
    fn call(
        &mut self,
        mut request: tonic::Request<()>,
    ) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(token) = &self.authorization {
            request.metadata_mut().insert("authorization", token.clone());
        }
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        Ok(request)
    }
}

impl StatsClient {
    /// Connects to `http://host:port`; several instances stand with commas between them.
    pub async fn connect(urls: &str, options: &ClientOptions) -> Result<Self> {
        let mut away = None;
        for target in targets([urls], options)? {
            match Target::connect(target).await {
                (_, channel, None) => return Self::over(channel, options),
                (_, _, error) => away = error,
            }
        }
        Err(away.unwrap_or_else(|| Error::unreachable("no instance can be reached")))
    }

    /// Calls over a channel that the caller made.
    pub fn over(channel: Channel, options: &ClientOptions) -> Result<Self> {
        let token =
            options.token.as_ref().map(|token| MetadataValue::try_from(format!("Bearer {token}")));
        let authorization = token.transpose().map_err(|_| {
            let what = "the token has characters that no header can carry";
            Error::local(Code::InvalidArgument, what)
        })?;
        let caller = Caller { authorization, deadline: Some(options.deadline) };
        Ok(Self { channel, caller })
    }

    /// Calls with one answer.
    pub fn calls(&self) -> StatsCalls {
        self.with(self.caller.clone())
    }

    /// Calls that last for as long as their caller wants.
    pub fn streams(&self) -> StatsCalls {
        self.with(Caller { deadline: None, ..self.caller.clone() })
    }

    fn with(&self, caller: Caller) -> StatsCalls {
        MatchStatsServiceClient::with_interceptor(self.channel.clone(), caller)
            .max_decoding_message_size(RESPONSE_BYTES_MAX)
    }
}
