//! The settings of a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::Clock;

use crate::backoff::Pace;

/// The transport of the connection to the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// QUIC, and TLS over TCP where UDP does not work.
    #[default]
    Auto,
    /// QUIC only.
    Quic,
    /// TLS over TCP only.
    Tls,
}

/// The settings of a [`Client`](crate::Client).
#[derive(Clone)]
pub struct Settings {
    /// The program and its version, such as `thermostat/2.1`, which the gateway's administrators
    /// see. At most 256 bytes are sent.
    pub software: String,
    /// The transport of the connection.
    pub transport: Transport,
    /// The source of the wall-clock time, which may be wrong by years.
    pub clock: Arc<dyn Clock>,
    /// Whether to renew the identity when two thirds of its validity are over.
    pub renew: bool,
    /// How long QUIC may take before TLS is tried too.
    pub quic_patience: Duration,
    /// How long a connection over TLS lasts before QUIC is tried again, plus or minus 10 %.
    pub quic_again: Duration,
    /// The waits between attempts to connect.
    pub backoff: Pace,
    /// A UDP socket that many clients of one process share. Without it, each connection has its own
    /// socket.
    pub endpoint: Option<quinn::Endpoint>,
}

impl Settings {
    /// Returns the defaults: QUIC, TLS after 3 s without an answer, QUIC again every five minutes,
    /// automatic renewal, and a socket for each connection.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            software: concat!("doorward-sdk/", env!("CARGO_PKG_VERSION")).to_owned(),
            transport: Transport::Auto,
            clock,
            renew: true,
            quic_patience: Duration::from_secs(3),
            quic_again: Duration::from_secs(300),
            backoff: Pace::default(),
            endpoint: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("software", &self.software)
            .field("transport", &self.transport)
            .field("renew", &self.renew)
            .finish_non_exhaustive()
    }
}
