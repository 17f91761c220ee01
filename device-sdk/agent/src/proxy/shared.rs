//! What all connections of the proxy share.

use std::io;
use std::sync::Arc;

use doorward_model::{Domain, DoorName};

use super::token::ProxyToken;
use crate::failure::Failure;
use crate::notices::Notices;
use crate::opener::FlowOpener;

/// The state that all connections of the proxy share.
pub(super) struct LocalProxy {
    pub(super) opener: Arc<dyn FlowOpener>,
    pub(super) notices: Notices,
    pub(super) domain: Domain,
    /// The token that programs need. Without one, every program may use the proxy.
    pub(super) token: Option<ProxyToken>,
    /// Whether datagrams are relayed. At a Unix socket they are not: only its owner can open it,
    /// but every user could send to the relay's UDP port.
    pub(super) relays: bool,
}

impl LocalProxy {
    /// Returns the interface that a host name stands for.
    pub(super) fn interface(&self, host: &str) -> Option<DoorName> {
        self.domain.read_door(host.strip_suffix('.').unwrap_or(host))
    }
}

/// Returns the error of a connection to a local program.
pub(super) fn local_failure(error: io::Error) -> Failure {
    Failure::Local { what: "the local program".to_owned(), error }
}
