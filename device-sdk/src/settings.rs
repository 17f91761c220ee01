//! How a client behaves: transport, names, times.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::Clock;

use crate::backoff::Pace;

/// What the connection to the gateway travels on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// QUIC, and TLS over TCP where UDP does not get through.
    #[default]
    Auto,
    /// QUIC only.
    Quic,
    /// TLS over TCP only.
    Tls,
}

/// How a [`Client`](crate::Client) behaves.
#[derive(Clone)]
pub struct Settings {
    /// The program and its version, such as `thermostat/2.1`: shown to whoever administers the
    /// gateway. At most 256 bytes are sent.
    pub software: String,
    /// What the connection travels on.
    pub transport: Transport,
    /// Where the wall-clock time comes from. It may be wrong by years.
    pub clock: Arc<dyn Clock>,
    /// Whether the identity is renewed when two thirds of its life are over.
    pub renew: bool,
    /// How long QUIC may take to answer before TLS is tried beside it.
    pub quic_patience: Duration,
    /// How long a connection over TLS stands before QUIC is tried again, give or take a tenth.
    pub quic_again: Duration,
    /// How long is waited before the next try.
    pub backoff: Pace,
    /// A UDP socket that many clients of one process share; without it each connection has one
    /// of its own.
    pub endpoint: Option<quinn::Endpoint>,
}

impl Settings {
    /// The defaults: QUIC with 3 s of patience, else TLS and QUIC again every five minutes;
    /// renewal; a socket of its own.
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
