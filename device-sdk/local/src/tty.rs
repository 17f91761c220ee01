//! A serial line of this machine.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_model::LineSettings;
use rustix::io::Errno;
use rustix::termios::{
    OptionalActions, QueueSelector, Termios, ioctl_tiocexcl, ioctl_tiocnxcl, tcdrain, tcflush,
    tcgetattr, tcsetattr,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep};

use crate::line::{Line, leaving};
use crate::modes::{modes, open, settings};
use crate::request::{InForce, LineRequest, Modem, Purge};

/// The largest number of bytes that the system buffers for a line.
pub(crate) const QUEUE: u32 = 4096;

/// A serial line of this machine. While it is open, other programs cannot open it, if the driver
/// supports that.
#[derive(Debug)]
pub struct Tty {
    port: AsyncFd<serial2::SerialPort>,
    /// The original settings, until they are restored.
    original: Option<Termios>,
    in_force: InForce,
    /// Whether written bytes may not have left yet.
    unsent: bool,
    draining: Option<Draining>,
    /// Whether a thread may still be blocked in `tcdrain`.
    drain_runs: bool,
}

/// A running `tcdrain`. The call blocks, so it has a thread.
#[derive(Debug)]
struct Draining {
    thread: JoinHandle<()>,
    patience: Pin<Box<Sleep>>,
}

impl Tty {
    /// Opens the line at `path` and sets it. It does not wait for a carrier, and the line does not
    /// become this program's terminal. The original settings are kept for [`Line::poll_restore`].
    ///
    /// # Errors
    /// Fails when the path cannot be opened or set, or is not a terminal.
    pub async fn open(path: PathBuf, settings: LineSettings) -> io::Result<Self> {
        let opened = tokio::task::spawn_blocking(move || open(&path)).await;
        let (file, original) = opened.map_err(io::Error::other)??;
        ignore_missing("exclusiveness", ioctl_tiocexcl(&file).map_err(Into::into))?;
        #[expect(
            deprecated,
            reason = "unsound only with a descriptor that changes; the other is unsafe"
        )]
        let port = AsyncFd::new(serial2::SerialPort::from(file))?;
        let mut tty = Self {
            port,
            original: Some(original),
            in_force: InForce::new(settings),
            unsent: false,
            draining: None,
            drain_runs: false,
        };
        tty.set(settings)?;
        Ok(tty)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.port.get_ref().as_fd()
    }

    fn set(&mut self, asked: LineSettings) -> io::Result<()> {
        let modes = modes(tcgetattr(self.fd())?, &asked)?;
        // Not `Drain`, which would block until all bytes have left.
        tcsetattr(self.fd(), OptionalActions::Now, &modes)?;
        self.in_force.settings = settings(&tcgetattr(self.fd())?, &asked);
        if self.in_force.settings != asked {
            let in_force = self.in_force.settings;
            tracing::debug!(%asked, %in_force, "a serial line lacks the requested settings");
        }
        Ok(())
    }

    fn apply(&mut self, request: LineRequest) -> io::Result<()> {
        use LineRequest as R;
        let port = self.port.get_ref();
        let wanted = self.in_force.with(request);
        match request {
            R::Break(Some(on)) => ignore_missing("break", port.set_break(on))?,
            R::Dtr(Some(on)) => ignore_missing("DTR", port.set_dtr(on))?,
            R::Rts(Some(on)) => ignore_missing("RTS", port.set_rts(on))?,
            R::Purge(purge) => return self.discard(purge),
            R::Baud(_) | R::Bits(_) | R::Parity(_) | R::Stop(_) | R::Flow(_) | R::FlowBack(_) => {
                if wanted.settings != self.in_force.settings {
                    return self.set(wanted.settings);
                }
            }
            R::Break(None) | R::Dtr(None) | R::Rts(None) | R::Modem(_) => {}
        }
        self.in_force = wanted;
        Ok(())
    }

    fn discard(&mut self, purge: Purge) -> io::Result<()> {
        let which = match purge {
            Purge::FromLine => QueueSelector::IFlush,
            Purge::ToLine => QueueSelector::OFlush,
            Purge::Both => QueueSelector::IOFlush,
        };
        tcflush(self.fd(), which)?;
        if purge.is_to_line() {
            // Flushing also releases a thread blocked in `tcdrain`.
            (self.draining, self.drain_runs, self.unsent) = (None, false, false);
        }
        Ok(())
    }

    /// Waits until all written bytes have left. Returns `false` when that took too long.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.unsent {
            return Poll::Ready(true);
        }
        if self.draining.is_none() {
            let Ok(file) = self.fd().try_clone_to_owned() else { return Poll::Ready(false) };
            self.drain_runs = true;
            let thread = tokio::task::spawn_blocking(move || {
                if let Err(error) = tcdrain(&file) {
                    tracing::debug!(%error, "could not drain a serial line");
                }
            });
            let patience = Box::pin(sleep(self.leaves_within()));
            self.draining = Some(Draining { thread, patience });
        }
        let Some(Draining { thread, patience }) = &mut self.draining else {
            return Poll::Ready(false);
        };
        if let Poll::Ready(waited) = Pin::new(thread).poll(cx) {
            if let Err(error) = waited {
                tracing::debug!(%error, "the thread that drains a serial line failed");
            }
            (self.draining, self.drain_runs, self.unsent) = (None, false, false);
            return Poll::Ready(true);
        }
        ready!(patience.as_mut().poll(cx));
        self.draining = None;
        Poll::Ready(false)
    }

    /// Restores the line's original settings.
    fn restore(&mut self) {
        let Some(original) = self.original.take() else { return };
        if self.unsent || self.drain_runs {
            log_failure("discard unsent bytes", self.discard(Purge::ToLine));
        }
        let usual = InForce::new(self.in_force.settings);
        let changed = [LineRequest::Dtr(None), LineRequest::Rts(None), LineRequest::Break(None)];
        for request in changed.map(|request| request.told(&usual)) {
            if request != request.told(&self.in_force) {
                log_failure("restore DTR, RTS or break", self.apply(request));
            }
        }
        let set = tcsetattr(self.fd(), OptionalActions::Now, &original);
        log_failure("restore the original settings", set.map_err(Into::into));
        let shared = ioctl_tiocnxcl(self.fd()).map_err(Into::into);
        log_failure("end the exclusive mode", ignore_missing("exclusiveness", shared));
    }
}

/// Logs a failed step of restoring. It always fails for an adapter that was unplugged.
fn log_failure(what: &str, done: io::Result<()>) {
    if let Err(error) = done {
        tracing::debug!(%error, "on a serial line, could not {what}");
    }
}

/// Ignores the error of a missing feature: pseudo-terminals and many adapters lack modem lines.
fn ignore_missing<T: Default>(what: &str, done: io::Result<T>) -> io::Result<T> {
    match done {
        Err(error)
            if [Errno::NOTTY, Errno::INVAL]
                .iter()
                .any(|absent| error.raw_os_error() == Some(absent.raw_os_error())) =>
        {
            tracing::debug!(%error, what, "a serial line lacks a feature");
            Ok(T::default())
        }
        done => done,
    }
}

impl Line for Tty {
    fn in_force(&self) -> InForce {
        self.in_force
    }

    fn leaves_within(&self) -> Duration {
        leaving(QUEUE, &self.in_force.settings)
    }

    fn poll_request(&mut self, cx: &mut Context<'_>, request: LineRequest) -> Poll<io::Result<()>> {
        if request.sets() {
            // Bytes that have not left in time are sent with the new settings, or lost.
            ready!(self.poll_drained(cx));
        }
        Poll::Ready(self.apply(request))
    }

    fn modem(&mut self) -> io::Result<Modem> {
        let port = self.port.get_ref();
        let read = || {
            Ok(Modem {
                cts: port.read_cts()?,
                dsr: port.read_dsr()?,
                ring: port.read_ri()?,
                carrier: port.read_cd()?,
            })
        };
        ignore_missing("modem lines", read())
    }

    fn poll_restore(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.original.is_some() {
            ready!(self.poll_drained(cx));
            self.restore();
        }
        Poll::Ready(())
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.restore();
    }
}

impl AsyncRead for Tty {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.port.poll_read_ready(cx))?;
            let read = guard
                .try_io(|port| Ok(rustix::io::read(port.get_ref(), buffer.initialize_unfilled())?));
            match read {
                // The adapter was unplugged: a present line never reads zero bytes.
                Ok(Ok(0)) if buffer.remaining() > 0 => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                Ok(read) => {
                    buffer.advance(read?);
                    return Poll::Ready(Ok(()));
                }
                Err(_would_wait) => {}
            }
        }
    }
}

impl AsyncWrite for Tty {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.port.poll_write_ready(cx))?;
            let written = guard.try_io(|port| Ok(rustix::io::write(port.get_ref(), bytes)?));
            if let Ok(written) = written {
                // An earlier drain does not cover these bytes.
                (self.draining, self.unsent) = (None, true);
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A serial line has no end of file.
        Poll::Ready(Ok(()))
    }
}
