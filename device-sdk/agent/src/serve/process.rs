use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_wire::Pipe;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open,
    waitid,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::Sleep;

use crate::carry::{self, Patience};
use crate::failure::Failure;

/// How long a program that has closed its output may take to end, so that its status is known.
const PATIENCE: Duration = Duration::from_secs(2);

/// Carries a flow to a program and back. The program ends with it.
pub(super) async fn carry(flow: Pipe, process: Process) -> Result<(), Failure> {
    let (input, output) = tokio::io::split(process);
    carry::carry(flow, input, output, Patience::Whole).await
}

/// A program that runs for one flow. It and everything that it has started in its process group
/// end with this value.
///
/// Its end closes a read properly if its status is 0, and with an error otherwise.
#[derive(Debug)]
pub(super) struct Process {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    output: Output,
    /// Readable once the program has ended.
    ended: AsyncFd<OwnedFd>,
    _group: Group,
}

#[derive(Debug)]
enum Output {
    Open,
    /// Nothing more is said; how it ended is waited for until then.
    Closed(Pin<Box<Sleep>>),
    Over,
}

/// The program's process group. The program itself is reaped only after the group was killed,
/// so that its number cannot have become somebody else's by then.
#[derive(Debug)]
struct Group {
    id: Pid,
    _leader: Child,
}

impl Drop for Group {
    fn drop(&mut self) {
        // That it fails where nobody of the group is left, is as well.
        kill_process_group(self.id, Signal::KILL).unwrap_or_default();
    }
}

impl Process {
    /// Starts `program`, by no shell and with nothing of this program's environment.
    pub(super) fn start(program: &Path, arguments: &[String]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or_else(|| io::Error::other("the program has no process id"))?;
        let group = Group { id, _leader: child };
        let ended = pidfd_open(id, PidfdFlags::NONBLOCK)?;
        #[expect(deprecated, reason = "its successor is unsafe; this descriptor is owned")]
        let ended = AsyncFd::with_interest(ended, Interest::READABLE)?;
        let stdout = stdout.ok_or_else(|| io::Error::other("the program has no output"))?;
        Ok(Self { stdin, stdout, output: Output::Open, ended, _group: group })
    }

    /// How the program ended, once it has. It is left to be reaped.
    fn poll_status(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<WaitIdStatus>>> {
        let guard = ready!(self.ended.poll_read_ready(cx))?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Poll::Ready(Ok(waitid(WaitId::PidFd(guard.get_inner().as_fd()), options)?))
    }
}

fn judge(status: &WaitIdStatus) -> io::Result<()> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(io::Error::other(format!("the program ended with status {code}"))),
        (None, Some(signal)) => {
            Err(io::Error::other(format!("the program was ended by signal {signal}")))
        }
        (None, None) => Ok(()),
    }
}

impl AsyncRead for Process {
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
                    this.output = Output::Closed(Box::pin(tokio::time::sleep(PATIENCE)));
                }
                Output::Closed(patience) => {
                    let over = patience.as_mut().poll(cx).is_ready();
                    let judged = match this.poll_status(cx) {
                        Poll::Ready(status) => status?.as_ref().map_or(Ok(()), judge),
                        Poll::Pending if over => Ok(()),
                        Poll::Pending => return Poll::Pending,
                    };
                    this.output = Output::Over;
                    return Poll::Ready(judged);
                }
                Output::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// What a program does not want to hear is dropped, as in a shell's pipeline: its status, and not
/// its input, says how it ended.
fn unheard<T>(wrote: Poll<io::Result<T>>, passed: T) -> Poll<io::Result<T>> {
    match wrote {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Poll::Ready(Ok(passed))
        }
        wrote => wrote,
    }
}

impl AsyncWrite for Process {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stdin {
            Some(stdin) => unheard(Pin::new(stdin).poll_write(cx, bytes), bytes.len()),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stdin {
            Some(stdin) => unheard(Pin::new(stdin).poll_flush(cx), ()),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Only the last end of a pipe that is closed ends it.
        self.get_mut().stdin = None;
        Poll::Ready(Ok(()))
    }
}
