//! What a serial line can do, on this machine or elsewhere.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_model::LineSettings;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::request::{InForce, LineRequest, Modem};

/// A serial line, wherever it is.
///
/// One task asks all of it, and goes on reading while it waits for something else: that may
/// come among what is read. Nothing but reads and writes waits without a bound.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// How it is set, as far as that is known.
    fn in_force(&self) -> InForce;

    /// How long everything that it has taken may take to leave, as it is set now: what has not
    /// left by then, something holds up.
    fn leaves_within(&self) -> Duration;

    /// Does what is asked, and is ready when [`Line::in_force`] says what became of it: not
    /// every port can do everything. Where a request changes how characters are sent, what was
    /// written before it is sent as the line was set then.
    ///
    /// It is called with the same request until it is ready. Called with another, the one before
    /// is not waited for any more.
    ///
    /// # Errors
    /// When it could not be done, or nobody answered whether it was. That the line has no such
    /// thing is no error.
    fn poll_request(&mut self, cx: &mut Context<'_>, request: LineRequest) -> Poll<io::Result<()>>;

    /// The lines that a modem sets; none, where there are none.
    ///
    /// # Errors
    /// When they cannot be read.
    fn modem(&mut self) -> io::Result<Modem>;

    /// Ready once everything that was written has left and the line is set as it was found when
    /// it was opened. What does not leave in time is discarded. The line is not used after that.
    /// Dropped without this, it is set so at once, and what has not left is discarded.
    fn poll_restore(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// How long so many bytes may take to leave a line that is set so: as long as they take, and 4 s.
pub(crate) fn leaving(bytes: u32, settings: &LineSettings) -> Duration {
    // A character is 12 symbols at most: one to begin, eight, one of parity, two to end. Slower
    // lines than the slowest that systems know by a number are waited for as that one.
    let symbols = f64::from(bytes) * 12.0;
    Duration::from_secs(4)
        + Duration::from_secs_f64(symbols / f64::from(settings.baud.get().max(50)))
}
