//! The person's terminal in raw mode.

use std::io;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal at standard input in raw mode: every key is read at once and as it is, nothing is
/// echoed, and no key is a signal. Dropping this restores the terminal.
pub(crate) struct RawTerminal {
    former: Termios,
}

impl RawTerminal {
    pub(crate) fn enter() -> io::Result<Self> {
        let former = tcgetattr(io::stdin())?;
        let mut raw = former.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { former })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Fails if the terminal is gone.
        tcsetattr(io::stdin(), OptionalActions::Now, &self.former).unwrap_or_default();
    }
}
