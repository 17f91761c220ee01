//! What devices report about themselves.

use std::collections::BTreeMap;

use doorward_model::PeerText;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The last report of a device. It is what the device says, not what is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostureView {
    /// When it came.
    pub at: Timestamp,
    /// Its facts by their names.
    pub report: BTreeMap<String, PostureFact>,
}

/// One fact of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PostureFact {
    /// A flag.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A text.
    Text(PeerText),
    /// Several texts.
    List(Vec<PeerText>),
}
