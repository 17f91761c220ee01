//! How flows are requested.

use doorward_policies::Door;

/// How a flow is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The interface's own host name, by SNI.
    Sni,
    /// An HTTP CONNECT at the gateway's name.
    Connect,
    /// A stream of `doorward/1`.
    Open,
}

impl Via {
    pub(crate) fn door(self) -> Door {
        match self {
            Self::Sni => Door::Sni,
            Self::Connect => Door::Connect,
            Self::Open => Door::Open,
        }
    }
}
