//! A program that serves one flow.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::Child;
use tokio::time::{Sleep, sleep, timeout};

use crate::keeper::{self, KeeperOrder, KeeperReport, ProgramStatus, REPORT_LEN};

/// How long starting a program may take.
const START: Duration = Duration::from_secs(10);
/// How long to wait for a program's exit status after it has closed its output.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait until a program's processes have ended. Longer than the keeper's own bound.
const END: Duration = Duration::from_secs(6);

/// A program that runs for one flow. The program and every process it has started end with this
/// value, even one that left its process group and session, closed its files, or ignores signals.
///
/// A read ends properly when the program exits with status 0, and with an error otherwise.
#[derive(Debug)]
pub struct Program {
    stdin: Option<Sender>,
    stdout: Receiver,
    output: Output,
    control: Control,
}

#[derive(Debug)]
enum Output {
    Open,
    /// The program has closed its output. The timer bounds the wait for its exit status.
    Closed(Pin<Box<Sleep>>),
    Over,
}

/// The connection to the program's keeper. When it is closed, the keeper ends the program.
#[derive(Debug)]
struct Control {
    stream: UnixStream,
    /// The keeper's next report, and how many bytes of it have arrived.
    partial: ([u8; REPORT_LEN], usize),
    ended: Option<ProgramStatus>,
    /// How many processes could not be ended, once the keeper has reported it.
    left: Option<u32>,
    /// The keeper's process, which tokio reaps after it has ended.
    _keeper: Child,
}

impl Program {
    /// Starts `program` with `name` as its `argv[0]`, since some programs behave by their name.
    ///
    /// # Errors
    /// Fails when the system does not start the program.
    pub async fn start(program: &Path, name: &Path, arguments: &[String]) -> io::Result<Self> {
        let (input, stdin) = io::pipe()?;
        let (stdout, output) = io::pipe()?;
        let order = KeeperOrder {
            program: program.to_owned(),
            name: name.to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
            input: input.into(),
            output: output.into(),
        };
        let (ours, theirs) = Socket::pair()?;
        ours.set_nonblocking(true)?;
        let keeper = keeper::command(theirs)?.spawn()?;
        let stream = UnixStream::from_std(ours)?;
        let (partial, ended, left) = (([0; REPORT_LEN], 0), None, None);
        let mut control = Control { stream, partial, ended, left, _keeper: keeper };
        let (stdin, stdout) = (OwnedFd::from(stdin), OwnedFd::from(stdout));
        let (stdin, stdout) = (Sender::from_owned_fd(stdin)?, Receiver::from_owned_fd(stdout)?);
        let started = async {
            order.send(&mut control.stream).await?;
            control.started().await
        };
        timeout(START, started).await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(Self { stdin: Some(stdin), stdout, output: Output::Open, control })
    }

    /// Ends the program and every process it has started, without waiting.
    pub fn reset(&mut self) {
        self.control.close();
    }

    /// Ends the program and every process it has started, and waits until all have ended. Returns a
    /// warning for the log if some may still run.
    pub async fn end(mut self) -> Option<String> {
        self.control.close();
        match timeout(END, self.control.left()).await {
            Ok(Ok(0)) => None,
            Ok(Ok(left)) => Some(format!(
                "{left} processes that the program had started could not be ended and run on"
            )),
            Ok(Err(_)) | Err(_) => Some(
                "the program's keeper is gone, so processes that it had started may run on"
                    .to_owned(),
            ),
        }
    }
}

impl Control {
    /// Tells the keeper that the flow is over.
    fn close(&self) {
        if let Err(error) = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Write) {
            tracing::debug!(%error, "a program's keeper has already ended");
        }
    }

    async fn started(&mut self) -> io::Result<()> {
        let mut report = [0; REPORT_LEN];
        self.stream.read_exact(&mut report).await?;
        match KeeperReport::read(report) {
            Some(KeeperReport::Started) => Ok(()),
            Some(KeeperReport::NotStarted(errno)) if errno > 0 => {
                Err(io::Error::from_raw_os_error(errno))
            }
            Some(KeeperReport::NotStarted(_) | KeeperReport::Ended(_) | KeeperReport::Left(_))
            | None => Err(io::Error::other("the program was not started")),
        }
    }

    /// Reads the keeper's reports until `wanted` returns a value.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: impl Fn(&Self) -> Option<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            if let Some(found) = wanted(self) {
                return Poll::Ready(Ok(found));
            }
            let (bytes, got) = &mut self.partial;
            let mut buffer = ReadBuf::new(bytes.get_mut(*got..).unwrap_or_default());
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            *got += buffer.filled().len();
            if *got < REPORT_LEN {
                continue;
            }
            *got = 0;
            match KeeperReport::read(*bytes) {
                Some(KeeperReport::Ended(status)) => self.ended = Some(status),
                Some(KeeperReport::Left(left)) => self.left = Some(left),
                Some(KeeperReport::Started | KeeperReport::NotStarted(_)) | None => {}
            }
        }
    }

    async fn left(&mut self) -> io::Result<u32> {
        std::future::poll_fn(|cx| self.poll(cx, |control| control.left)).await
    }
}

fn check_status(status: ProgramStatus) -> io::Result<()> {
    match status {
        ProgramStatus::Code(0) => Ok(()),
        ProgramStatus::Code(code) => {
            Err(io::Error::other(format!("the program ended with status {code}")))
        }
        ProgramStatus::Signal(signal) => {
            Err(io::Error::other(format!("the program was ended by signal {signal}")))
        }
    }
}

impl AsyncRead for Program {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.output {
                Output::Open => {
                    let before = buffer.filled().len();
                    ready!(Pin::new(&mut this.stdout).poll_read(cx, buffer))?;
                    if buffer.filled().len() > before || buffer.remaining() == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    this.output = Output::Closed(Box::pin(sleep(PATIENCE)));
                }
                Output::Closed(patience) => {
                    let over = patience.as_mut().poll(cx).is_ready();
                    let checked = match this.control.poll(cx, |control| control.ended) {
                        Poll::Ready(status) => status.and_then(check_status),
                        Poll::Pending if over => Ok(()),
                        Poll::Pending => return Poll::Pending,
                    };
                    this.output = Output::Over;
                    return Poll::Ready(checked);
                }
                Output::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Program {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stdin {
            Some(stdin) => Pin::new(stdin).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A pipe ends when its last writing end is closed.
        self.get_mut().stdin = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
