//! What causes a call to another service: the request that is worked on, or the service's own work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gamemesh_domain::Result;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::auth::{Permit, Principal, Role};
use crate::deadline::{self, Deadline};
use crate::trace::Correlation;

const ON_BEHALF_OF_HEADER: HeaderName = HeaderName::from_static("x-gamemesh-on-behalf-of");

/// A call that a request causes ends after this time if the request's caller sets no deadline, so that
/// a service that hangs cannot collect calls without end.
const CALL_MAX: Duration = Duration::from_secs(30);

/// On whose behalf a call is made, until when, and as part of what.
#[derive(Debug, Clone)]
pub struct Origin {
    pub(super) correlation: Correlation,
    /// `None`: a stream, which lasts as long as it is read.
    deadline: Option<Instant>,
    pub(super) caller: Option<OnBehalfOf>,
}

/// The caller whose request made a service call this one. A handler finds him as an extension of the
/// request, beside the [`Permit`] of the service; whose data may be reached is asked of him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnBehalfOf(pub Principal);

/// A call within the process. Only this crate makes one, and no request from outside carries it.
#[derive(Clone)]
pub(crate) struct InProcess {
    pub(crate) permit: Permit,
    pub(crate) on_behalf_of: Option<OnBehalfOf>,
}

impl Origin {
    /// The origin of what this request causes. Who called a service that calls this one stays the caller.
    pub fn of(extensions: &Extensions) -> Result<Self> {
        let caller = match extensions.get::<OnBehalfOf>() {
            Some(original) => original.clone(),
            None => OnBehalfOf(Permit::of(extensions)?.principal().clone()),
        };
        let until = extensions.get().map(|Deadline(until)| *until);
        Ok(Self {
            correlation: Correlation::of(extensions)?.clone(),
            deadline: Some(until.unwrap_or_else(|| Instant::now() + CALL_MAX)),
            caller: Some(caller),
        })
    }

    /// Work that a service does of its own accord, each call of which ends after this time.
    pub fn internal(timeout: Duration) -> Self {
        Self {
            correlation: Correlation::current().unwrap_or_else(Correlation::generate),
            deadline: Some(Instant::now() + timeout),
            caller: None,
        }
    }

    /// The same for a stream, which has no end of its own: its reader ends it.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.deadline = None;
        self
    }

    /// What is left of the time, unless the call itself sets less.
    pub(super) fn put_deadline(&self, headers: &mut HeaderMap) {
        let Some(until) = self.deadline else { return };
        let left = until.saturating_duration_since(Instant::now());
        let timeout = deadline::timeout(headers, left).ok().flatten().unwrap_or(left);
        deadline::put(headers, timeout);
    }
}

/// How it goes over the wire.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    subject: String,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    player_id: Option<String>,
}

impl OnBehalfOf {
    /// Puts the caller into the headers of a call to another process.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        let Principal { subject, role, player_id } = &self.0;
        let written = Written {
            subject: subject.to_string(),
            role: role.as_str().to_owned(),
            player_id: player_id.as_ref().map(ToString::to_string),
        };
        let json = serde_json::to_vec(&written).unwrap_or_default();
        if let Ok(value) = HeaderValue::from_bytes(&json) {
            headers.insert(ON_BEHALF_OF_HEADER, value);
        }
    }

    /// The caller that another service names. It is only asked where the other has shown who it is.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let written = headers.get(ON_BEHALF_OF_HEADER)?.as_bytes();
        let Written { subject, role, player_id } = serde_json::from_slice(written).ok()?;
        Some(Self(Principal {
            subject: subject.into(),
            role: Role::parse(&role)?,
            player_id: player_id.map(Arc::from),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_goes_over_the_wire_as_he_is() {
        for subject in ["ann", "\u{e4}nn; \"x\"\n", ""] {
            let player_id = (!subject.is_empty()).then(|| Arc::from("p-1"));
            let caller =
                OnBehalfOf(Principal { subject: subject.into(), role: Role::Player, player_id });
            let mut headers = HeaderMap::new();
            caller.put(&mut headers);
            assert_eq!(OnBehalfOf::from_headers(&headers), Some(caller));
        }
        let mut headers = HeaderMap::new();
        assert_eq!(OnBehalfOf::from_headers(&headers), None);
        headers.insert(ON_BEHALF_OF_HEADER, HeaderValue::from_static("ann"));
        assert_eq!(OnBehalfOf::from_headers(&headers), None);
    }

    #[test]
    fn the_shorter_time_counts_and_a_stream_has_none() {
        let sent = |origin: &Origin, own: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(own) = own {
                headers.insert("grpc-timeout", HeaderValue::from_static(own));
            }
            origin.put_deadline(&mut headers);
            deadline::timeout(&headers, Duration::MAX).unwrap()
        };
        let origin = Origin::internal(Duration::from_secs(2));
        let within = |timeout: Option<Duration>, max: u64| {
            timeout.is_some_and(|timeout| timeout <= Duration::from_millis(max))
        };
        assert!(within(sent(&origin, None), 2_000));
        assert!(within(sent(&origin, Some("50m")), 50));
        assert!(within(sent(&origin, Some("90S")), 2_000));
        assert_eq!(sent(&origin.clone().endless(), None), None);
        assert_eq!(sent(&origin.endless(), Some("50m")), Some(Duration::from_millis(50)));
    }
}
