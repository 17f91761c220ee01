use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use doorward_model::LineSettings;
use doorward_wire::Pipe;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::line::Line;
use super::request::Modem;

/// A serial line of a device, through its agent, which has set it as the gateway's declaration
/// says. It cannot be set otherwise while it is open: the agent's stream carries bytes only.
#[derive(Debug)]
pub(crate) struct AgentLine {
    pipe: Pipe,
    /// How it is set.
    settings: Option<LineSettings>,
}

impl AgentLine {
    pub(crate) fn new(pipe: Pipe) -> Self {
        Self { pipe, settings: None }
    }
}

impl Line for AgentLine {
    fn apply(&mut self, settings: &LineSettings) -> io::Result<LineSettings> {
        Ok(*self.settings.get_or_insert(*settings))
    }

    fn set_dtr(&mut self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_rts(&mut self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_break(&mut self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn modem(&mut self) -> io::Result<Modem> {
        Ok(Modem::default())
    }

    fn poll_drained(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn discard_output(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn restore(&mut self) {
        // The agent restores its line when this stream goes.
    }
}

impl AsyncRead for AgentLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, into)
    }
}

impl AsyncWrite for AgentLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A line has no end.
        Poll::Ready(Ok(()))
    }
}
