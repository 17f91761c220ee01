//! A flow to a serial line of this machine.

use std::collections::{BTreeMap, HashSet};
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_local::{Line as _, ServeError, Tty};
use doorward_model::{LineChange, LineSettings};
use doorward_wire::{Pipe, Why};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::Absent;
use crate::carry::{self, Patience};
use crate::failure::Failure;

/// How long a line has to be silent, after the flow has ended its direction, to have ended.
const LINGER: Duration = Duration::from_secs(1);

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
        let tty = Tty::open(real, settings).await?;
        Ok(Line { tty, ending: None, over: false, _seat: seat })
    }
}

fn change(parameters: &BTreeMap<String, String>) -> Result<LineChange, Absent> {
    if parameters.is_empty() {
        return Ok(LineChange::default());
    }
    let all: Vec<String> = parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    LineChange::parse(&all.join("&")).map_err(|error| Absent::new(Why::Wrong, error.to_string()))
}

/// An open line. A line has no end of its own: as a local end of bytes it has ended once the flow
/// has ended its direction, and the line has been silent for a while after that.
#[derive(Debug)]
pub(super) struct Line {
    /// Dropped, it is set as it was found, and what has not left is discarded; only then is its
    /// place free.
    tty: Tty,
    ending: Option<Pin<Box<Sleep>>>,
    over: bool,
    _seat: Seat,
}

/// Carries a flow to a line and back. What was written has left the line when that ended
/// properly, and is discarded otherwise.
pub(super) async fn carry(flow: Pipe, mut line: Line) -> Result<(), Failure> {
    let (input, output) = tokio::io::split(&mut line);
    carry::carry(flow, input, output, Patience::Whole).await?;
    poll_fn(|cx| line.tty.poll_restore(cx)).await;
    Ok(())
}

/// Lets the flow set the line as well, by RFC 2217. It is ended when the line is as it was found,
/// and its place free: whoever is told of that may ask for it again.
pub(super) async fn govern(mut flow: Pipe, line: Line) -> Result<(), Failure> {
    let Line { tty, _seat: seat, .. } = line;
    let served = doorward_local::serve(tty, &mut flow).await;
    drop(seat);
    match served {
        Ok(()) => flow.shutdown().await.map_err(Failure::Cut),
        Err(ServeError::Stream(error)) => Err(Failure::Cut(error)),
        Err(ServeError::Line(error)) => {
            Err(Failure::Local { what: "the serial line".to_owned(), error })
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(read) = Pin::new(&mut this.tty).poll_read(cx, into) {
            if let Some(ending) = &mut this.ending {
                ending.as_mut().reset(Instant::now() + LINGER);
            }
            return Poll::Ready(read);
        }
        let Some(ending) = &mut this.ending else { return Poll::Pending };
        ready!(ending.as_mut().poll(cx));
        this.over = true;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tty).poll_write(cx, bytes)
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
