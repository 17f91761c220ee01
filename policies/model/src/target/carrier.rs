//! What carries an inspected protocol.

/// What carries an inspected protocol: the rest of the URL's scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetCarrier {
    Tcp,
    Udp,
    Serial,
    Agent,
    UdpAgent,
    SerialAgent,
}

impl TargetCarrier {
    /// Returns what follows the protocol in a scheme.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Tcp | Self::Udp => "",
            Self::Serial => "+serial",
            Self::Agent | Self::UdpAgent => "+agent",
            Self::SerialAgent => "+serial+agent",
        }
    }

    /// Returns the scheme of the same carrier without an inspected protocol.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Serial => "serial",
            Self::Agent => "agent",
            Self::UdpAgent => "udp+agent",
            Self::SerialAgent => "serial+agent",
        }
    }

    /// Returns what follows the scheme in a URL, for people.
    pub(super) fn address(self) -> &'static str {
        match self {
            Self::Tcp | Self::Udp => "://HOST:PORT",
            Self::Serial => ":/dev/DEVICE",
            Self::Agent | Self::UdpAgent | Self::SerialAgent => ":NAME",
        }
    }

    /// Returns whether the URL may have settings of the carrier itself.
    pub(super) fn has_settings(self) -> bool {
        match self {
            Self::Serial | Self::SerialAgent => true,
            Self::Tcp | Self::Udp | Self::Agent | Self::UdpAgent => false,
        }
    }
}
