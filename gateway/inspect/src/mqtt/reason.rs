//! Reasons for which MQTT refuses packets or ends connections.

/// A violation of the protocol, which ends the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The reason code for a client of MQTT 5.0 (section 4.13).
    pub(super) reason: u8,
    /// What is wrong, as the end of a sentence about the sender.
    pub(super) what: &'static str,
}

// Reason codes (section 2.4).
pub(super) const SUCCESS: u8 = 0x00;
pub(super) const MALFORMED: u8 = 0x81;
pub(super) const PROTOCOL_ERROR: u8 = 0x82;
pub(super) const UNSUPPORTED_VERSION: u8 = 0x84;
pub(super) const ID_NOT_VALID: u8 = 0x85;
pub(super) const NOT_AUTHORIZED: u8 = 0x87;
pub(super) const ALIAS_INVALID: u8 = 0x94;
pub(super) const TOO_LARGE: u8 = 0x95;
pub(super) const QUOTA_EXCEEDED: u8 = 0x97;

/// Returns the violation by a packet that cannot be parsed.
pub(super) fn malformed(what: &'static str) -> Violation {
    Violation { reason: MALFORMED, what }
}

/// Returns the violation by a packet that can be parsed and that the protocol forbids.
pub(super) fn protocol_error(what: &'static str) -> Violation {
    Violation { reason: PROTOCOL_ERROR, what }
}

/// Returns the violation by a packet that is larger than the gateway stores, or than its receiver
/// accepts.
pub(super) fn too_large(what: &'static str) -> Violation {
    Violation { reason: TOO_LARGE, what }
}

/// Returns the violation by asking for more than the gateway stores.
pub(super) fn quota_exceeded(what: &'static str) -> Violation {
    Violation { reason: QUOTA_EXCEEDED, what }
}
