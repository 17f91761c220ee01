use std::io;
use std::task::{Context, Poll};

use doorward_model::LineSettings;
use tokio::io::{AsyncRead, AsyncWrite};

use super::request::Modem;

/// A serial line, wherever it is. None of these wait.
pub(crate) trait Line: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Sets the line, and says what is in force then: not every port can do everything.
    ///
    /// # Errors
    /// When nothing of it could be set.
    fn apply(&mut self, settings: &LineSettings) -> io::Result<LineSettings>;

    /// Sets the line DTR.
    ///
    /// # Errors
    /// When it cannot be set. That there is none is no error.
    fn set_dtr(&mut self, on: bool) -> io::Result<()>;

    /// Sets the line RTS.
    ///
    /// # Errors
    /// When it cannot be set. That there is none is no error.
    fn set_rts(&mut self, on: bool) -> io::Result<()>;

    /// Begins or ends a break.
    ///
    /// # Errors
    /// When that cannot be done. That the line knows no break is no error.
    fn set_break(&mut self, on: bool) -> io::Result<()>;

    /// The lines that a modem sets; none, where there are none.
    ///
    /// # Errors
    /// When they cannot be read.
    fn modem(&mut self) -> io::Result<Modem>;

    /// Ready once everything that was written has left.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Discards what was written and has not left yet.
    ///
    /// # Errors
    /// When that cannot be done.
    fn discard_output(&mut self) -> io::Result<()>;

    /// Sets the line as it was found when it was opened. It is not used after that.
    fn restore(&mut self);
}
