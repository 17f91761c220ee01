//! A serial line on another machine, used through RFC 2217.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_model::LineSettings;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::line::{Line, leaving};
use crate::outbox::Outbox;
use crate::request::{InForce, LineRequest, Modem};
use crate::telnet::{ClientEvent, TelnetClient, escape};
use crate::tty::QUEUE;

/// How long to wait for an answer. After that the last known settings count.
const ANSWER: Duration = Duration::from_secs(5);
/// How many bytes may be sent before the far end confirms that the line took them. So a request
/// waits behind at most this many, and the far end can discard all of them.
pub(crate) const AHEAD: u32 = 16 * 1024;
/// The largest outgoing queue that still gets requests and replies. A fuller one means that the far
/// end reads nothing.
const UNSENT: usize = 64 * 1024;
/// The largest queue of received data that nobody has read.
const UNREAD: usize = 64 * 1024;
const CHUNK: usize = 4096;

/// A serial line at the far end of a stream, where [`serve`](fn@crate::serve) or another RFC 2217
/// server runs. Or a line behind a stream of bare bytes, whose settings cannot be changed.
#[derive(Debug)]
pub struct Remote<S> {
    far: S,
    /// `None` where the stream is bare bytes.
    client: Option<TelnetClient>,
    in_force: InForce,
    modem: Modem,
    /// Whether the far end was asked to report modem line changes.
    watches: bool,
    out: Outbox,
    unread: VecDeque<u8>,
    pending: Option<PendingRequest>,
    /// An answer was late, and no other has come since. Further requests do not wait.
    silent: bool,
    /// Whether the far end wants no data for now.
    suspended: bool,
    /// How many bytes of data were sent.
    sent_data: u64,
    /// How many of them the line is known to have taken.
    confirmed: u64,
    /// The value of `sent` when the outstanding timing mark was sent.
    marked: Option<u64>,
    /// Whether this side has shut down its direction of the stream.
    shut: bool,
    buffer: Box<[u8]>,
}

#[derive(Debug)]
struct PendingRequest {
    request: LineRequest,
    answered: bool,
    patience: Pin<Box<Sleep>>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Remote<S> {
    /// Wraps a stream of bare bytes. The line's settings are assumed to be `settings`, and stay so.
    #[must_use]
    pub fn bare(far: S, settings: LineSettings) -> Self {
        Self {
            far,
            client: None,
            in_force: InForce::new(settings),
            modem: Modem::default(),
            watches: false,
            out: Outbox::default(),
            unread: VecDeque::new(),
            pending: None,
            silent: false,
            suspended: false,
            sent_data: 0,
            confirmed: 0,
            marked: None,
            shut: false,
            buffer: vec![0; CHUNK].into_boxed_slice(),
        }
    }

    /// Wraps a stream that speaks RFC 2217 and asks for the line's settings. Where the far end does
    /// not answer, they are assumed to be `settings`.
    ///
    /// # Errors
    /// Fails when the stream is broken.
    pub async fn open(far: S, settings: LineSettings) -> io::Result<Self> {
        use LineRequest as R;
        let mut line = Self::bare(far, settings);
        let mut client = TelnetClient::default();
        line.out.put(client.offer());
        line.client = Some(client);
        for request in [R::Baud(None), R::Bits(None), R::Parity(None), R::Stop(None)] {
            line.out.put(TelnetClient::ask(request));
        }
        // Answers come in order, so the last one means that all have come.
        let asked = poll_fn(|cx| {
            while line.unread.len() < UNREAD
                && let Poll::Ready(received) = line.poll_receive(cx)
            {
                received?;
            }
            line.poll_request(cx, R::Flow(None))
        });
        match asked.await {
            Err(error) if error.kind() != io::ErrorKind::TimedOut => Err(error),
            _ => Ok(line),
        }
    }

    /// Reads and processes some bytes from the far end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.poll_send(cx, &mut self.far)?.is_pending() && self.out.len() > UNSENT {
            // Received bytes may need replies, for which there is no room.
            return Poll::Pending;
        }
        let mut into = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut self.far).poll_read(cx, &mut into))?;
        if into.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let Some(client) = &mut self.client else {
            self.unread.extend(into.filled());
            return Poll::Ready(Ok(()));
        };
        for event in client.receive(into.filled()) {
            match event {
                ClientEvent::Data(bytes) => self.unread.extend(bytes),
                ClientEvent::Reply(bytes) => self.out.put(bytes),
                ClientEvent::Modem(modem) => self.modem = modem,
                ClientEvent::Suspend(on) => self.suspended = on,
                ClientEvent::Mark => {
                    self.confirmed = self.marked.take().unwrap_or(self.confirmed);
                    self.silent = false;
                }
                ClientEvent::Done(request) => {
                    self.in_force = self.in_force.with(request);
                    self.silent = false;
                    if let Some(pending) = &mut self.pending {
                        pending.answered |= pending.request.is_like(&request);
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Line for Remote<S> {
    fn in_force(&self) -> InForce {
        self.in_force
    }

    fn leaves_within(&self) -> Duration {
        // The bytes in the far end's queue, and those in its system's queue.
        leaving(AHEAD + QUEUE, &self.in_force.settings)
    }

    fn poll_request(&mut self, cx: &mut Context<'_>, request: LineRequest) -> Poll<io::Result<()>> {
        if self.client.is_none() {
            return Poll::Ready(Ok(()));
        }
        if self.pending.as_ref().is_none_or(|pending| pending.request != request) {
            self.pending = None;
            if self.out.len() > UNSENT {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.out.put(TelnetClient::ask(request));
            let patience = Box::pin(sleep(ANSWER));
            self.pending = Some(PendingRequest { request, answered: false, patience });
        }
        // A broken stream also fails the next read.
        let sent = self.out.poll_send(cx, &mut self.far);
        let Some(PendingRequest { answered, patience, .. }) = &mut self.pending else {
            return Poll::Pending;
        };
        let done = if let Poll::Ready(Err(error)) = sent {
            Err(error)
        } else if *answered {
            Ok(())
        } else if self.silent || patience.as_mut().poll(cx).is_ready() {
            self.silent = true;
            Err(io::ErrorKind::TimedOut.into())
        } else {
            return Poll::Pending;
        };
        self.pending = None;
        Poll::Ready(done)
    }

    fn modem(&mut self) -> io::Result<Modem> {
        if self.client.is_some() && !self.watches {
            self.watches = true;
            self.out.put(TelnetClient::ask(LineRequest::Modem(u8::MAX)));
        }
        Ok(self.modem)
    }

    /// Shuts down this direction, and waits until the far end has restored its line and ended its
    /// direction.
    fn poll_restore(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(Err(_)) = self.poll_shut(cx) {
            return Poll::Ready(());
        }
        loop {
            let mut into = ReadBuf::new(&mut self.buffer);
            let read = ready!(Pin::new(&mut self.far).poll_read(cx, &mut into));
            if read.is_err() || into.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Remote<S> {
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(self.out.poll_send(cx, &mut self.far))?;
            ready!(Pin::new(&mut self.far).poll_shutdown(cx))?;
            self.shut = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> AsyncRead for Remote<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() {
            ready!(this.poll_receive(cx))?;
        }
        let (now, _) = this.unread.as_slices();
        let amount = now.len().min(into.remaining());
        into.put_slice(now.get(..amount).unwrap_or_default());
        this.unread.drain(..amount);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> AsyncWrite for Remote<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let unsent = this.out.poll_send(cx, &mut this.far)?.is_pending();
        let ahead = u64::from(AHEAD);
        let room = ahead.saturating_sub(this.sent_data - this.confirmed);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(CHUNK);
        if unsent || this.suspended || room == 0 {
            // A read of the stream wakes the task when one of the conditions changes.
            return Poll::Pending;
        }
        let taken = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        if this.client.is_some() {
            for byte in taken {
                escape(*byte, &mut this.out);
            }
            this.sent_data += taken.len() as u64;
            if this.marked.is_none() && this.sent_data - this.confirmed >= ahead / 2 {
                this.marked = Some(this.sent_data);
                this.out.put(TelnetClient::MARK);
            }
        } else {
            this.out.put(taken.iter().copied());
        }
        match this.out.poll_send(cx, &mut this.far) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The next call sends what is still in the queue.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(taken.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.out.poll_send(cx, &mut this.far)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A serial line has no end of file.
        Poll::Ready(Ok(()))
    }
}
