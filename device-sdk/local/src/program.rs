use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open,
    waitid,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::Sleep;

/// How long a program that has closed its output may take to end, so that its status is known.
const PATIENCE: Duration = Duration::from_secs(2);

/// A program that runs for one flow. It and everything that it has started in its process group
/// end with this value.
///
/// Its end closes a read properly if its status is 0, and with an error otherwise.
#[derive(Debug)]
pub struct Program {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    output: Output,
    /// Readable once the program has ended.
    ended: AsyncFd<OwnedFd>,
    group: Group,
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

impl Group {
    fn kill(&self) {
        if let Err(error) = kill_process_group(self.id, Signal::KILL) {
            tracing::debug!(%error, "a program's process group could not be killed");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Program {
    /// Starts `program`. It is told the name that it was asked for by: there are programs that
    /// do by it what they do.
    ///
    /// # Errors
    /// When the system does not start it.
    pub fn start(program: &Path, name: &Path, arguments: &[String]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg0(name)
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
        #[expect(
            deprecated,
            reason = "unsound only with a descriptor that changes; the other is unsafe"
        )]
        let ended = AsyncFd::with_interest(ended, Interest::READABLE)?;
        let stdout = stdout.ok_or_else(|| io::Error::other("the program has no output"))?;
        Ok(Self { stdin, stdout, output: Output::Open, ended, group })
    }

    /// Ends the program and all that it has started, at once.
    pub fn reset(&mut self) {
        self.group.kill();
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
        // Only the last end of a pipe that is closed ends it.
        self.get_mut().stdin = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Program {
        let real = std::fs::canonicalize("/bin/sh").unwrap();
        let arguments = ["-c".to_owned(), script.to_owned()];
        Program::start(&real, Path::new("/bin/sh"), &arguments).unwrap()
    }

    async fn until(is: impl Fn() -> bool) {
        let is = async {
            while !is() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, is).await.unwrap();
    }

    /// Waits until there is no process `id`, not even one that waits to be reaped.
    async fn reaped(id: &str) {
        until(|| !Path::new("/proc").join(id).exists()).await;
    }

    /// Waits until the process `id` runs no more. Somebody else's is reaped by somebody else.
    async fn ended(id: &str) {
        let state = || std::fs::read_to_string(Path::new("/proc").join(id).join("stat"));
        until(|| state().map_or(true, |state| state.contains(") Z "))).await;
    }

    #[tokio::test]
    async fn input_output_and_a_half_close_pass() {
        let mut cat = shell("cat; echo \"$PATH|$LANG|$HOME|$(pwd)|$0\"; echo lost >&2");
        cat.write_all(b"hello\n").await.unwrap();
        cat.shutdown().await.unwrap();
        let mut all = String::new();
        timeout(SOON, cat.read_to_string(&mut all)).await.unwrap().unwrap();
        assert_eq!(all, "hello\n/usr/bin:/bin|C.UTF-8||/|/bin/sh\n");
        assert!(cat.write_all(b"more").await.is_err());
    }

    #[tokio::test]
    async fn a_status_that_is_not_0_is_no_proper_end() {
        for (script, says) in
            [("echo x; exit 3", "with status 3"), ("echo x; kill -9 $$", "by signal 9")]
        {
            let mut stream = shell(script);
            let mut all = Vec::new();
            let error = timeout(SOON, stream.read_to_end(&mut all)).await.unwrap().unwrap_err();
            assert_eq!((all.as_slice(), error.to_string().contains(says)), (&b"x\n"[..], true));
            let end = stream.read(&mut [0; 8]).await.unwrap();
            assert_eq!(end, 0);
        }
    }

    #[tokio::test]
    async fn nothing_outlives_a_reset_or_a_drop() {
        for properly in [false, true] {
            let mut stream = shell("echo $$; sleep 1000 & echo $!; wait");
            let mut lines = BufReader::new(&mut stream).lines();
            let shell = timeout(SOON, lines.next_line()).await.unwrap().unwrap().unwrap();
            let sleep = timeout(SOON, lines.next_line()).await.unwrap().unwrap().unwrap();
            if properly {
                drop(stream);
            } else {
                stream.reset();
                let mut rest = Vec::new();
                assert!(timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap().is_err());
                drop(stream);
            }
            reaped(&shell).await;
            ended(&sleep).await;
        }
    }

    #[tokio::test]
    async fn what_a_program_leaves_behind_ends_with_the_flow() {
        let mut stream = shell("sleep 1000 >/dev/null & echo $!");
        let mut all = String::new();
        timeout(SOON, stream.read_to_string(&mut all)).await.unwrap().unwrap();
        assert!(Path::new("/proc").join(all.trim()).exists());
        drop(stream);
        ended(all.trim()).await;
    }
}
