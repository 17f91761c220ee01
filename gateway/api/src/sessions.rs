//! Live sessions and their flows.

use std::net::SocketAddr;

use doorward_model::{Action, Device, FlowId, PeerText, Serial, SessionId, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A live session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub subject: Subject,
    /// The serial number of the certificate that it rests on, if it rests on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Serial>,
    /// The address that it was last seen at.
    pub source: SocketAddr,
    /// How it came in there: `sni`, `own`, `management`, `quic` or `tls`.
    pub door: String,
    /// When it began.
    pub since: Timestamp,
    /// When the certificate, or whatever else it rests on, ends.
    pub certificate_ends: Timestamp,
    /// Its live flows, the oldest first.
    pub flows: Vec<FlowView>,
}

/// A live flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowView {
    /// Its id.
    pub id: FlowId,
    /// What it does.
    pub action: Action,
    /// On which device.
    pub device: Device,
    /// At which interface, or in which part of the administration.
    pub path: PeerText,
    /// When it began.
    pub since: Timestamp,
    /// Bytes from the client.
    pub bytes_up: u64,
    /// Bytes to the client.
    pub bytes_down: u64,
}

/// A live flow that a bundle ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingView {
    /// Whose it is.
    pub subject: Subject,
    /// Its session.
    pub session: SessionId,
    /// The flow.
    pub flow: FlowView,
    /// Why the bundle ends it, in a word.
    pub why: String,
}

/// What cutting a session or a flow answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutAnswer {
    /// The id that was cut.
    pub cut: SessionId,
}

/// What pruning the audit log answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedAnswer {
    /// How many records were deleted.
    pub deleted: u64,
}
