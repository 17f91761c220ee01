//! The numbers of telnet commands and options.

use super::{DO, DONT, IAC, WILL, WONT};

/// RFC 856: eight bits a byte.
pub(super) const BINARY: u8 = 0;
/// RFC 858: both may speak at once.
const SUPPRESS_GO_AHEAD: u8 = 3;
/// RFC 860: no option to agree upon, but a question each time.
pub(super) const TIMING_MARK: u8 = 6;
/// RFC 2217.
pub(super) const COM_PORT: u8 = 44;

/// What was agreed upon. Everything else, echo among it, is declined.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// What this side does.
    ours: [Agreed; 3],
    /// What the other does.
    theirs: [Agreed; 3],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Agreed {
    #[default]
    No,
    /// We have asked for it.
    Offered,
    Yes,
}

fn place(of: &mut [Agreed; 3], option: u8) -> Option<&mut Agreed> {
    let [binary, go_ahead, port] = of;
    match option {
        BINARY => Some(binary),
        SUPPRESS_GO_AHEAD => Some(go_ahead),
        COM_PORT => Some(port),
        _ => None,
    }
}

impl Options {
    /// Whether the other side's bytes are data as they are, and no text.
    pub(super) fn are_theirs_binary(&self) -> bool {
        let [binary, ..] = self.theirs;
        binary == Agreed::Yes
    }

    /// What is asked for without waiting. `port` says who has the port: DO, the other side is its
    /// client; WILL, this one is.
    pub(super) fn offer(&mut self, port: u8) -> Vec<u8> {
        let mut said = Vec::new();
        for (verb, option) in [
            (WILL, BINARY),
            (DO, BINARY),
            (WILL, SUPPRESS_GO_AHEAD),
            (DO, SUPPRESS_GO_AHEAD),
            (port, COM_PORT),
        ] {
            let side = if verb == WILL { &mut self.ours } else { &mut self.theirs };
            if let Some(agreed) = place(side, option) {
                *agreed = Agreed::Offered;
                said.extend([IAC, verb, option]);
            }
        }
        said
    }

    /// What is to be said to that. What is agreed upon already is not said again, so that two
    /// never go on agreeing.
    pub(super) fn hear(&mut self, verb: u8, option: u8) -> Option<[u8; 3]> {
        let (side, yes, no) = match verb {
            WILL | WONT => (&mut self.theirs, DO, DONT),
            _ => (&mut self.ours, WILL, WONT),
        };
        let wanted = verb == WILL || verb == DO;
        let say = |verb| Some([IAC, verb, option]);
        let Some(agreed) = place(side, option) else {
            return if wanted { say(no) } else { None };
        };
        let before = *agreed;
        *agreed = if wanted { Agreed::Yes } else { Agreed::No };
        match (before, wanted) {
            (Agreed::No, true) => say(yes),
            (Agreed::Yes, false) => say(no),
            _ => None,
        }
    }
}
