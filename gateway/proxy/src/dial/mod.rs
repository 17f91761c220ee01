//! Where interfaces are reached: the only place that connects to a backend.
//!
//! A new kind of target is one file beside this one, one variant of
//! [`Target`](doorward_model::Target), and one line in [`Dialer::dial`] and [`Stream`].

mod backend;
mod bounds;
mod glob;
mod tcp;
mod unix;

use std::io;
use std::time::Duration;

use doorward_model::Target;
use thiserror::Error;

pub(crate) use backend::Backend;
pub use bounds::Bounds;
pub use glob::{Glob, GlobError};

/// Dials targets within bounds.
#[derive(Clone, Debug)]
pub struct Dialer {
    bounds: Bounds,
}

/// How long a dial may take, name resolution included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a backend was not reached. The operator's or the backend's doing, never the peer's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DialError {
    /// The permit names nothing that can be dialed. Ours.
    #[error("there is nothing to dial")]
    Nothing,
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// Outside what the configuration allows.
    #[error("{address} is outside the bounds: {why}")]
    Forbidden {
        /// What would have been dialed.
        address: String,
        /// Which bound.
        why: &'static str,
    },
    /// The backend did not answer in time.
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Slow,
    /// The backend, or the way to it, refuses.
    #[error("{0}")]
    Refused(#[from] io::Error),
}

impl DialError {
    /// The word for records.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing-to-dial",
            Self::NoAddress(_) => "backend-has-no-address",
            Self::Forbidden { .. } => "backend-out-of-bounds",
            Self::Slow => "backend-timeout",
            Self::Refused(_) => "backend-refused",
        }
    }
}

/// A connection that stands.
pub(crate) struct Connected {
    pub(crate) stream: Stream,
    /// The real address.
    pub(crate) address: String,
}

/// What a backend is reached by.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Dialer {
    /// A dialer within `bounds`.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds }
    }

    /// Whether a target could ever be dialed, as far as that is known before its name is
    /// resolved: what an administrator is told when an interface is declared.
    ///
    /// # Errors
    /// When it is outside the bounds.
    pub fn check(&self, target: &Target) -> Result<(), DialError> {
        match target {
            Target::Tcp { host, port } => tcp::check(&self.bounds, host, *port),
            Target::Unix { path } => self.bounds.check_unix(path),
        }
    }

    pub(crate) async fn dial(&self, target: Option<&Target>) -> Result<Connected, DialError> {
        let dial = async {
            match target {
                Some(Target::Tcp { host, port }) => tcp::dial(&self.bounds, host, *port).await,
                Some(Target::Unix { path }) => unix::dial(&self.bounds, path).await,
                None => Err(DialError::Nothing),
            }
        };
        tokio::time::timeout(PATIENCE, dial).await.unwrap_or(Err(DialError::Slow))
    }
}
