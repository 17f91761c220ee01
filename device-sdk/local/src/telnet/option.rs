//! Telnet options and their negotiation.

use super::{DO, DONT, IAC, WILL, WONT};

/// BINARY (RFC 856): bytes of eight bits.
pub(super) const BINARY: u8 = 0;
/// SUPPRESS-GO-AHEAD (RFC 858): both sides may send at once.
const SUPPRESS_GO_AHEAD: u8 = 3;
/// TIMING-MARK (RFC 860). It is not negotiated; each use is a question of its own.
pub(super) const TIMING_MARK: u8 = 6;
/// COM-PORT-OPTION (RFC 2217).
pub(super) const COM_PORT: u8 = 44;

/// The options that were negotiated. All others, ECHO among them, are declined.
#[derive(Debug, Default)]
pub(super) struct TelnetOptions {
    /// Options of this side.
    ours: [Agreed; 3],
    /// Options of the other side.
    theirs: [Agreed; 3],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Agreed {
    #[default]
    No,
    /// This side has offered the option.
    Offered,
    Yes,
}

fn entry(of: &mut [Agreed; 3], option: u8) -> Option<&mut Agreed> {
    let [binary, go_ahead, port] = of;
    match option {
        BINARY => Some(binary),
        SUPPRESS_GO_AHEAD => Some(go_ahead),
        COM_PORT => Some(port),
        _ => None,
    }
}

impl TelnetOptions {
    /// Returns whether the other side sends binary data, not text.
    pub(super) fn are_theirs_binary(&self) -> bool {
        let [binary, ..] = self.theirs;
        binary == Agreed::Yes
    }

    /// Returns the offers that begin the negotiation. `port` is the verb for COM-PORT-OPTION: DO
    /// from a server, WILL from a client.
    pub(super) fn offer(&mut self, port: u8) -> Vec<u8> {
        let mut offers = Vec::new();
        for (verb, option) in [
            (WILL, BINARY),
            (DO, BINARY),
            (WILL, SUPPRESS_GO_AHEAD),
            (DO, SUPPRESS_GO_AHEAD),
            (port, COM_PORT),
        ] {
            let side = if verb == WILL { &mut self.ours } else { &mut self.theirs };
            if let Some(agreed) = entry(side, option) {
                *agreed = Agreed::Offered;
                offers.extend([IAC, verb, option]);
            }
        }
        offers
    }

    /// Returns the reply to a received verb. It answers only changes, so that two sides never
    /// answer each other forever.
    pub(super) fn reply_to(&mut self, verb: u8, option: u8) -> Option<[u8; 3]> {
        let (side, yes, no) = match verb {
            WILL | WONT => (&mut self.theirs, DO, DONT),
            _ => (&mut self.ours, WILL, WONT),
        };
        let wanted = verb == WILL || verb == DO;
        let send = |verb| Some([IAC, verb, option]);
        let Some(agreed) = entry(side, option) else {
            return if wanted { send(no) } else { None };
        };
        let before = *agreed;
        *agreed = if wanted { Agreed::Yes } else { Agreed::No };
        match (before, wanted) {
            (Agreed::No, true) => send(yes),
            (Agreed::Yes, false) => send(no),
            (Agreed::No, false) | (Agreed::Yes, true) | (Agreed::Offered, _) => None,
        }
    }
}
