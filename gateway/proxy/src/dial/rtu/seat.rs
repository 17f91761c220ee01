//! The seat of a flow at a Modbus line.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use doorward_inspect::modbus::{Exception, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::bus::{BusReply, BusRequest};

/// The seat of a flow at a bus. The flow writes and reads Modbus/TCP frames.
///
/// The bus has one request of the seat at a time. Dropping the seat drops a request that waits. The
/// bus completes a request that is on the line.
#[derive(Debug)]
pub(crate) struct RtuSeat {
    bus: Sender<BusRequest>,
    /// The part of a frame that was written so far.
    writing: Vec<u8>,
    /// The frame that the bus has, until its response arrives.
    asked: Option<(Vec<u8>, oneshot::Receiver<BusReply>)>,
    /// Responses that are ready to be read.
    ready: Vec<u8>,
    /// The task that waits for a response.
    reader: Option<Waker>,
    finished: bool,
    /// The line was lost.
    lost: bool,
}

impl RtuSeat {
    pub(super) fn new(bus: Sender<BusRequest>) -> Self {
        Self {
            bus,
            writing: vec![],
            asked: None,
            ready: vec![],
            reader: None,
            finished: false,
            lost: false,
        }
    }

    /// Passes a complete frame to the bus.
    fn send_request(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.writing);
        let Some(frame) = Frame::of(&bytes) else { return Err(io::ErrorKind::InvalidData.into()) };
        let (reply, answer) = oneshot::channel();
        let asked = BusRequest { unit: frame.unit(), pdu: frame.pdu().to_vec(), reply };
        match self.bus.try_send(asked) {
            Ok(()) => self.asked = Some((bytes, answer)),
            Err(TrySendError::Full(_)) => {
                self.ready.extend_from_slice(&frame.refusal(Exception::Busy));
            }
            Err(TrySendError::Closed(_)) => {
                self.lost = true;
                return Err(lost());
            }
        }
        Ok(())
    }

    /// Wakes the reader, because a response may be ready.
    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Takes the response to the current request, if it has arrived.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some((bytes, answer)) = &mut self.asked else {
            return Poll::Ready(if self.lost { Err(lost()) } else { Ok(()) });
        };
        let Poll::Ready(answer) = Pin::new(answer).poll(cx) else { return Poll::Pending };
        match (answer, Frame::of(bytes)) {
            (Ok(BusReply::Pdu(pdu)), Some(frame)) => {
                self.ready.extend_from_slice(&frame.head_of(pdu.len()));
                self.ready.extend_from_slice(&pdu);
            }
            (Ok(BusReply::None(exception)), Some(frame)) => {
                self.ready.extend_from_slice(&frame.refusal(exception));
            }
            (Ok(BusReply::All), _) => {}
            (Err(_), _) | (_, None) => self.lost = true,
        }
        self.asked = None;
        self.poll_answer(cx)
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the line was lost")
}

impl AsyncRead for RtuSeat {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ready.is_empty() && !this.finished {
            ready!(this.poll_answer(cx))?;
        }
        if this.ready.is_empty() && !this.finished {
            // A unit only responds to requests, so there is nothing to read now.
            this.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let amount = this.ready.len().min(buffer.remaining());
        buffer.put_slice(this.ready.get(..amount).unwrap_or_default());
        this.ready.drain(..amount);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for RtuSeat {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_answer(cx))?;
        let missing = Frame::missing(&this.writing).ok_or(io::ErrorKind::InvalidData)?;
        let taken = bytes.get(..missing.min(bytes.len())).unwrap_or_default();
        this.writing.extend_from_slice(taken);
        if Frame::missing(&this.writing) == Some(0) {
            this.send_request()?;
        }
        this.wake_reader();
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends after the response to the current request.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_answer(cx))?;
        this.finished = true;
        this.wake_reader();
        Poll::Ready(Ok(()))
    }
}
