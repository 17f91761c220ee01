use std::io;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::request::{InForce, LineRequest, Modem};

/// A serial line, wherever it is.
///
/// One task asks all of it, and goes on reading while it waits for something else: that may
/// come among what is read. Nothing but reads and writes waits without a bound.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// How it is set, as far as that is known.
    fn in_force(&self) -> InForce;

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
