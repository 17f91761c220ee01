use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use doorward_local::modes;
use doorward_model::{Baud, DataBits, FlowControl, LineSettings, Parity, StopBits};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, Termios, tcdrain, tcflush, tcgetattr,
    tcsetattr,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;

use super::line::Line;
use super::request::Modem;

/// A serial line of this machine.
#[derive(Debug)]
pub(super) struct Tty {
    port: AsyncFd<serial2::SerialPort>,
    /// What it was set to, until that is put back.
    first: Option<Termios>,
    /// There is only a call that waits, so it has a thread.
    draining: Option<JoinHandle<()>>,
    /// Whether such a thread may still be waiting.
    waits: bool,
}

impl Tty {
    /// Opens the line, and remembers how it is set.
    pub(super) async fn open(path: PathBuf) -> io::Result<Self> {
        let open = move || doorward_local::open(&path);
        let (file, first) = tokio::task::spawn_blocking(open).await??;
        #[expect(
            deprecated,
            reason = "unsound only with a descriptor that changes; the other is unsafe"
        )]
        let port = AsyncFd::new(serial2::SerialPort::from(file))?;
        Ok(Self { port, first: Some(first), draining: None, waits: false })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.port.get_ref().as_fd()
    }
}

/// What a line with these modes is set to. What has no word among the settings is as asked.
fn settings(modes: &Termios, asked: &LineSettings) -> LineSettings {
    use ControlModes as C;
    let has = |mode| modes.control_modes.contains(mode);
    LineSettings {
        baud: Baud::new(modes.output_speed()).unwrap_or(asked.baud),
        bits: match modes.control_modes & C::CSIZE {
            size if size == C::CS5 => DataBits::Five,
            size if size == C::CS6 => DataBits::Six,
            size if size == C::CS7 => DataBits::Seven,
            _ => DataBits::Eight,
        },
        parity: match (has(C::PARENB), has(C::PARODD)) {
            (false, _) => Parity::None,
            (true, true) => Parity::Odd,
            (true, false) => Parity::Even,
        },
        stop: if has(C::CSTOPB) { StopBits::Two } else { StopBits::One },
        flow: if has(C::CRTSCTS) {
            FlowControl::Hardware
        } else if modes.input_modes.contains(InputModes::IXON) {
            FlowControl::Software
        } else {
            FlowControl::None
        },
        telnet: asked.telnet,
    }
}

/// A pseudo-terminal, and many an adapter, has no such lines.
fn tolerated<T: Default>(what: &str, done: io::Result<T>) -> io::Result<T> {
    match done {
        Err(error)
            if [Errno::NOTTY, Errno::INVAL]
                .iter()
                .any(|absent| error.raw_os_error() == Some(absent.raw_os_error())) =>
        {
            tracing::debug!(%error, what, "a serial line has no such thing");
            Ok(T::default())
        }
        done => done,
    }
}

impl Line for Tty {
    fn apply(&mut self, asked: &LineSettings) -> io::Result<LineSettings> {
        let modes = modes(tcgetattr(self.fd())?, asked)?;
        // Not "when all has left": that would wait.
        tcsetattr(self.fd(), OptionalActions::Now, &modes)?;
        let in_force = settings(&tcgetattr(self.fd())?, asked);
        if in_force != *asked {
            tracing::debug!(%asked, %in_force, "a serial line cannot be set quite so");
        }
        Ok(in_force)
    }

    fn set_dtr(&mut self, on: bool) -> io::Result<()> {
        tolerated("DTR", self.port.get_ref().set_dtr(on))
    }

    fn set_rts(&mut self, on: bool) -> io::Result<()> {
        tolerated("RTS", self.port.get_ref().set_rts(on))
    }

    fn set_break(&mut self, on: bool) -> io::Result<()> {
        tolerated("break", self.port.get_ref().set_break(on))
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
        tolerated("modem lines", read())
    }

    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.draining.is_none() {
            let Ok(file) = self.fd().try_clone_to_owned() else { return Poll::Ready(()) };
            self.waits = true;
            self.draining = Some(tokio::task::spawn_blocking(move || {
                if let Err(error) = tcdrain(&file) {
                    tracing::debug!(%error, "a serial line cannot say whether all has left");
                }
            }));
        }
        if let Some(draining) = &mut self.draining {
            let waited = ready!(Pin::new(draining).poll(cx));
            (self.draining, self.waits) = (None, false);
            if let Err(error) = waited {
                tracing::debug!(%error, "a serial line was not waited for");
            }
        }
        Poll::Ready(())
    }

    fn discard_output(&mut self) -> io::Result<()> {
        Ok(tcflush(self.fd(), QueueSelector::OFlush)?)
    }

    fn restore(&mut self) {
        // The thread that waits is let go.
        if std::mem::take(&mut self.waits)
            && let Err(error) = self.discard_output()
        {
            tracing::debug!(%error, "what a serial line has not sent cannot be discarded");
        }
        if let Some(first) = self.first.take()
            && let Err(error) = tcsetattr(self.fd(), OptionalActions::Now, &first)
        {
            tracing::warn!(%error, "a serial line could not be set as it was found");
        }
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
                // Whoever waited for what was written before has not waited for this.
                self.draining = None;
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A line has no end.
        Poll::Ready(Ok(()))
    }
}
