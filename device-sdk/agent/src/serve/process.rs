//! A flow to a program that is started for it.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use doorward_local::Program;
use doorward_wire::Pipe;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::carry::{self, Patience};
use crate::failure::Failure;

/// Carries a flow to a program and back. The program and all processes it started end with the
/// flow.
pub(super) async fn carry(mut flow: Pipe, mut process: Process) -> Result<(), Failure> {
    let (input, output) = tokio::io::split(&mut process);
    let carried = carry::carry(&mut flow, input, output, Patience::Whole).await;
    match process.0.end().await {
        None => carried,
        Some(left) => {
            Err(Failure::Local { what: "a program".to_owned(), error: io::Error::other(left) })
        }
    }
}

/// A program that may ignore its input: bytes that it does not read are dropped, as in a shell's
/// pipeline. Only its exit status says whether it ended properly.
#[derive(Debug)]
pub(super) struct Process(Program);

impl Process {
    pub(super) async fn start(program: &Path, arguments: &[String]) -> io::Result<Self> {
        Program::start(program, program, arguments).await.map(Self)
    }
}

impl AsyncRead for Process {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

fn ignore_closed_input<T>(wrote: Poll<io::Result<T>>, passed: T) -> Poll<io::Result<T>> {
    wrote.map(|wrote| match wrote {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(passed),
        wrote => wrote,
    })
}

impl AsyncWrite for Process {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ignore_closed_input(Pin::new(&mut self.0).poll_write(cx, bytes), bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ignore_closed_input(Pin::new(&mut self.0).poll_flush(cx), ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
