//! Why an upstream gave no answer.

use std::io;

use super::{body::UploadFailure, connect::ConnectError, wire::response::Malformed};
use crate::problem::Code;

/// Why no answer arrived.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No server may get requests: nothing was tried.
    #[error("{upstream}: no server is available")]
    Unavailable {
        /// The key under `upstreams:`.
        upstream: String,
    },
    /// All connections the upstream may have are busy, and too many wait for one or this request waited too long.
    #[error("{upstream}: all connections are busy")]
    Overloaded {
        /// The key under `upstreams:`.
        upstream: String,
    },
    /// Nothing was sent.
    #[error("{server}: cannot connect")]
    Connect {
        /// `host:port`.
        server: String,
        /// Why.
        source: ConnectError,
    },
    /// The connection ended before the answer's head was whole.
    #[error("{server}: the connection was closed before it answered")]
    Reset {
        /// `host:port`.
        server: String,
        /// Why; none for an orderly close.
        source: Option<io::Error>,
    },
    /// The answer is no HTTP, or a switch of protocols nobody asked for.
    #[error("{server}: the answer is not valid HTTP")]
    Invalid {
        /// `host:port`.
        server: String,
        /// What is wrong; none for a status that makes no sense here.
        source: Option<Malformed>,
    },
    /// No answer in time.
    #[error("{server}: no answer in time")]
    Timeout {
        /// `host:port`.
        server: String,
    },
    /// The client's body did not arrive whole; the upstream is not to blame.
    #[error("the request body did not arrive whole")]
    Upload(UploadFailure),
}

impl UpstreamError {
    /// Whether there was nobody to connect to: another address may do.
    pub fn is_no_connection(&self) -> bool {
        matches!(self, Self::Connect { source: ConnectError::Failed(_) | ConnectError::Forbidden(_), .. })
    }

    /// The code it is answered with.
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => Code::UpstreamUnavailable,
            Self::Overloaded { .. } => Code::UpstreamOverloaded,
            Self::Connect {
                source:
                    ConnectError::Failed(_) | ConnectError::Forbidden(_) | ConnectError::Tls(_) | ConnectError::Http2(_),
                ..
            } => Code::UpstreamUnreachable,
            Self::Connect { source: ConnectError::TimedOut(_), .. } | Self::Timeout { .. } => Code::UpstreamTimeout,
            Self::Reset { .. } => Code::UpstreamReset,
            Self::Invalid { .. } => Code::UpstreamInvalidResponse,
            Self::Upload(UploadFailure::TooLarge) => Code::BodyTooLarge,
            Self::Upload(UploadFailure::Stalled) => Code::RequestTimeout,
            Self::Upload(UploadFailure::Broken) => Code::RequestInvalid,
            Self::Upload(UploadFailure::Unfit) => Code::AdaptationRequestFailed,
        }
    }
}
