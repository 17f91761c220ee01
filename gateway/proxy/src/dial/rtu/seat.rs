//! A flow's place at a Modbus line.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use doorward_inspect::modbus::{Exception, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::bus::{BusReply, BusRequest};

/// A flow's place at a bus: Modbus/TCP frames are written to it, and read from it.
///
/// One request is with the bus at a time. What waits is dropped with the seat; what is on the line
/// by then is finished by the bus.
#[derive(Debug)]
pub(crate) struct RtuSeat {
    bus: Sender<BusRequest>,
    /// What has been written of a frame.
    writing: Vec<u8>,
    /// The frame that was asked, until it is answered.
    asked: Option<(Vec<u8>, oneshot::Receiver<BusReply>)>,
    /// Answers that are ready to be read.
    ready: Vec<u8>,
    /// Whoever waits for one.
    reader: Option<Waker>,
    finished: bool,
    /// The line is gone.
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

    /// Hands a whole frame to the bus.
    fn ask(&mut self) -> io::Result<()> {
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

    /// Tells whoever reads that there may be something.
    fn tell(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Takes the answer to what was asked, if there is one now.
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
            // Nobody says anything here who was not asked.
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
            this.ask()?;
        }
        this.tell();
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends when what was asked is answered.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_answer(cx))?;
        this.finished = true;
        this.tell();
        Poll::Ready(Ok(()))
    }
}
