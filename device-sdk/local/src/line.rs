//! The operations of a serial line, on this machine or elsewhere.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_model::LineSettings;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::request::{InForce, LineRequest, Modem};

/// A serial line, on this machine or behind a stream.
///
/// One task uses it. While the task waits for another call, it keeps reading, since an answer can
/// arrive among the data. Only reads and writes may wait without a bound.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Returns how the line is set, as far as known.
    fn in_force(&self) -> InForce;

    /// Returns how long all accepted bytes may take to leave at the current settings. If some have
    /// not left by then, something blocks them.
    fn leaves_within(&self) -> Duration;

    /// Performs a request. When it is ready, [`Line::in_force`] tells the result, since not every
    /// port supports every request. If the request changes how characters are sent, earlier bytes
    /// are sent with the old settings first.
    ///
    /// Call it with the same request until it is ready. A call with another request drops the
    /// earlier one.
    ///
    /// # Errors
    /// Fails when the request could not be performed or its result is not known. A feature that the
    /// line lacks is not an error.
    fn poll_request(&mut self, cx: &mut Context<'_>, request: LineRequest) -> Poll<io::Result<()>>;

    /// Returns the modem lines; all are off where the port has none.
    ///
    /// # Errors
    /// Fails when they cannot be read.
    fn modem(&mut self) -> io::Result<Modem>;

    /// Waits until all written bytes have left and the line has its original settings again. Bytes
    /// that do not leave in time are discarded. The line is not used afterwards. If it is dropped
    /// without this call, it is restored at once and unsent bytes are discarded.
    fn poll_restore(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Returns how long `bytes` may take to leave a line with these settings: their time, and 4 s.
pub(crate) fn leaving(bytes: u32, settings: &LineSettings) -> Duration {
    // A character has at most 12 symbols: a start bit, eight data bits, a parity bit, two stop
    // bits. Below 50 baud, the slowest standard speed, the time for 50 baud is used.
    let symbols = f64::from(bytes) * 12.0;
    Duration::from_secs(4)
        + Duration::from_secs_f64(symbols / f64::from(settings.baud.get().max(50)))
}
