use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_local::modes;
use doorward_model::{LineChange, LineSettings};
use doorward_wire::{Pipe, Why};
use rustix::io::Errno;
use rustix::termios::{
    OptionalActions, QueueSelector, Termios, ioctl_tiocexcl, ioctl_tiocnxcl, tcdrain, tcflush,
    tcsetattr,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::Absent;
use crate::carry::{self, Patience};
use crate::failure::Failure;

/// How long a line has to be silent, after the flow has ended its direction, to have ended.
const LINGER: Duration = Duration::from_secs(1);

/// How long what was written may take to leave a slow line.
const DRAIN: Duration = Duration::from_secs(10);

/// The serial lines of this machine: each is one flow's at a time, whatever its names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<HashSet<PathBuf>>>);

/// A line's one place, until it is dropped.
#[derive(Debug)]
struct Seat {
    lines: Lines,
    path: PathBuf,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

impl Lines {
    fn sit(&self, path: PathBuf) -> Result<Seat, Absent> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.insert(path.clone()) {
            return Err(Absent::new(Why::Taken, "another flow has the line"));
        }
        drop(taken);
        Ok(Seat { lines: self.clone(), path })
    }

    /// Opens the line at `path`, set as the file says and as `parameters` say beyond it.
    pub(super) async fn open(
        &self,
        path: &Path,
        settings: LineSettings,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Line, Absent> {
        let settings = change(parameters)?.apply(settings);
        // Two links may lead to one line.
        let real = tokio::fs::canonicalize(path).await?;
        let seat = self.sit(real.clone())?;
        let opened = tokio::task::spawn_blocking(move || Tty::open(&real, &settings, seat));
        let tty = opened.await.map_err(io::Error::other)??;
        #[expect(deprecated, reason = "its successor is unsafe; this descriptor is owned")]
        let port = AsyncFd::new(tty)?;
        Ok(Line { port: Arc::new(port), ending: None, over: false })
    }
}

fn change(parameters: &BTreeMap<String, String>) -> Result<LineChange, Absent> {
    if parameters.is_empty() {
        return Ok(LineChange::default());
    }
    let all: Vec<String> = parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    LineChange::parse(&all.join("&")).map_err(|error| Absent::new(Why::Wrong, error.to_string()))
}

/// An open line. Dropped, it is set as it was found, and what has not left is discarded; only
/// then is its place free.
#[derive(Debug)]
struct Tty {
    file: OwnedFd,
    first: Termios,
    /// The flow has ended properly, and what was written has left.
    drained: AtomicBool,
    _seat: Seat,
}

impl AsRawFd for Tty {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl Tty {
    fn open(path: &Path, settings: &LineSettings, seat: Seat) -> io::Result<Self> {
        let (file, first) = doorward_local::open(path)?;
        // Programs beside this one are kept out as well, where the line knows how.
        tolerated(ioctl_tiocexcl(&file))?;
        let tty = Self { file, first, drained: AtomicBool::new(false), _seat: seat };
        let modes = modes(tty.first.clone(), settings)?;
        tcsetattr(&tty.file, OptionalActions::Now, &modes)?;
        Ok(tty)
    }
}

/// A pseudo-terminal, and many an adapter, has not all that a line may have.
fn tolerated(done: Result<(), Errno>) -> io::Result<()> {
    match done {
        Err(Errno::NOTTY | Errno::INVAL) => Ok(()),
        done => Ok(done?),
    }
}

/// A line that cannot be set has been pulled out: there is nothing to put back.
fn unless_gone(_: Result<(), Errno>) {}

impl Drop for Tty {
    fn drop(&mut self) {
        if !self.drained.load(Ordering::Relaxed) {
            unless_gone(tcflush(&self.file, QueueSelector::OFlush));
        }
        unless_gone(tcsetattr(&self.file, OptionalActions::Now, &self.first));
        unless_gone(ioctl_tiocnxcl(&self.file));
    }
}

/// A line as a local end of bytes. A line has no end of its own: it has ended once the flow has
/// ended its direction, and the line has been silent for a while after that.
#[derive(Debug)]
pub(super) struct Line {
    port: Arc<AsyncFd<Tty>>,
    ending: Option<Pin<Box<Sleep>>>,
    over: bool,
}

/// Carries a flow to a line and back. What was written has left the line when that ended
/// properly, and is discarded otherwise.
pub(super) async fn carry(flow: Pipe, line: Line) -> Result<(), Failure> {
    let port = Arc::clone(&line.port);
    let (input, output) = tokio::io::split(line);
    carry::carry(flow, input, output, Patience::Whole).await?;
    let left = tokio::task::spawn_blocking({
        let port = Arc::clone(&port);
        // There is only a call that waits.
        move || tcdrain(&port.get_ref().file)
    });
    let drained = tokio::time::timeout(DRAIN, left).await.is_ok();
    port.get_ref().drained.store(drained, Ordering::Relaxed);
    if !drained {
        // The thread that waits is let go.
        unless_gone(tcflush(&port.get_ref().file, QueueSelector::OFlush));
    }
    Ok(())
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.over {
                return Poll::Ready(Ok(()));
            }
            let Poll::Ready(ready) = this.port.poll_read_ready(cx) else {
                let Some(ending) = &mut this.ending else { return Poll::Pending };
                ready!(ending.as_mut().poll(cx));
                this.over = true;
                continue;
            };
            let read = ready?.try_io(|port| {
                Ok(rustix::io::read(&port.get_ref().file, into.initialize_unfilled())?)
            });
            match read {
                // The adapter was pulled out: a line that is there never reads nothing.
                Ok(Ok(0)) if into.remaining() > 0 => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                Ok(count) => {
                    into.advance(count?);
                    if let Some(ending) = &mut this.ending {
                        ending.as_mut().reset(Instant::now() + LINGER);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(_would_wait) => {}
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.port.poll_write_ready(cx))?;
            match guard.try_io(|port| Ok(rustix::io::write(&port.get_ref().file, bytes)?)) {
                Ok(written) => return Poll::Ready(written),
                Err(_would_wait) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut ending = Box::pin(tokio::time::sleep(LINGER));
        // The half that reads waits for it from now on, and has to be woken by it.
        this.over = ending.as_mut().poll(cx).is_ready();
        this.ending = Some(ending);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
impl Lines {
    pub(super) fn is_free(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}
