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

use super::unavailable::Unavailable;
use crate::carry::{self, Patience};
use crate::failure::Failure;

/// How long the line must be silent, after the flow's direction has ended, to count as ended.
const LINGER: Duration = Duration::from_secs(1);

/// The serial lines of this machine that are in use. Each serves one flow at a time, even if
/// several paths lead to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinesInUse(Arc<Mutex<HashSet<PathBuf>>>);

/// The reservation of a line, until it is dropped.
#[derive(Debug)]
struct LineReservation {
    lines: LinesInUse,
    path: PathBuf,
}

impl Drop for LineReservation {
    fn drop(&mut self) {
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

impl LinesInUse {
    fn reserve(&self, path: PathBuf) -> Result<LineReservation, Unavailable> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.insert(path.clone()) {
            return Err(Unavailable::new(Why::Taken, "another flow uses the line"));
        }
        drop(taken);
        Ok(LineReservation { lines: self.clone(), path })
    }

    /// Opens the line at `path` with the file's settings, changed by `parameters`.
    pub(super) async fn open(
        &self,
        path: &Path,
        settings: LineSettings,
        parameters: &BTreeMap<String, String>,
    ) -> Result<OpenLine, Unavailable> {
        let settings = change(parameters)?.apply(settings);
        // Two links may lead to the same line.
        let real = tokio::fs::canonicalize(path).await?;
        let reservation = self.reserve(real.clone())?;
        let tty = Tty::open(real, settings).await?;
        Ok(OpenLine { tty, ending: None, over: false, _reservation: reservation })
    }
}

fn change(parameters: &BTreeMap<String, String>) -> Result<LineChange, Unavailable> {
    if parameters.is_empty() {
        return Ok(LineChange::default());
    }
    let all: Vec<String> = parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    LineChange::parse(&all.join("&"))
        .map_err(|error| Unavailable::new(Why::Wrong, error.to_string()))
}

/// An open line as the local end of a flow of bytes. A line has no end of its own. It counts as
/// ended when the flow's direction has ended and the line has been silent for [`LINGER`].
#[derive(Debug)]
pub(super) struct OpenLine {
    /// Dropped before `_reservation`: it restores the settings and discards unsent bytes before
    /// another flow can get the line.
    tty: Tty,
    ending: Option<Pin<Box<Sleep>>>,
    over: bool,
    _reservation: LineReservation,
}

/// Carries a flow to a line and back. After a proper end, all written bytes have left the line.
/// Otherwise unsent bytes are discarded.
pub(super) async fn carry(mut flow: Pipe, mut line: OpenLine) -> Result<(), Failure> {
    let (input, output) = tokio::io::split(&mut line);
    carry::carry(&mut flow, input, output, Patience::Whole).await?;
    poll_fn(|cx| line.tty.poll_restore(cx)).await;
    Ok(())
}

/// Serves a flow that controls the line through RFC 2217. The flow ends after the line is restored
/// and free, so that the client can ask for it again at once.
pub(super) async fn serve_rfc2217(mut flow: Pipe, line: OpenLine) -> Result<(), Failure> {
    let OpenLine { tty, _reservation: reservation, .. } = line;
    let served = doorward_local::serve(tty, &mut flow).await;
    drop(reservation);
    match served {
        Ok(()) => flow.shutdown().await.map_err(Failure::Cut),
        Err(ServeError::Stream(error)) => Err(Failure::Cut(error)),
        Err(ServeError::Line(error)) => {
            Err(Failure::Local { what: "the serial line".to_owned(), error })
        }
    }
}

impl AsyncRead for OpenLine {
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

impl AsyncWrite for OpenLine {
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
        // Polled now, so that the timer wakes the task that reads.
        this.over = ending.as_mut().poll(cx).is_ready();
        this.ending = Some(ending);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
impl LinesInUse {
    pub(super) fn is_free(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}
