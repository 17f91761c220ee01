//! Serves a serial line of this machine to the far end of a stream, through RFC 2217.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::line::Line;
use crate::outbox::Outbox;
use crate::request::{LineAnswer, LineRequest, Modem, Purge};
use crate::telnet::{ServerEvent, TelnetServer, escape};
use crate::watch::Watch;

/// With this many bytes in the queue of actions, the far end is not read.
const AHEAD: usize = 64 * 1024;
/// With this many outgoing bytes, neither the line nor the far end is read.
const UNSENT: usize = 64 * 1024;
/// How many rounds run before the task yields.
const TURNS: usize = 32;
const CHUNK: usize = 4096;

/// Why serving a line failed.
#[derive(Debug)]
pub enum ServeError {
    /// The line failed.
    Line(io::Error),
    /// The stream to the far end failed.
    Stream(io::Error),
}

/// Lets the far end of `stream` use `line` through RFC 2217, until the far end ends its direction.
/// Then waits until all bytes have left or took too long, and restores the line's settings. The
/// caller ends `stream`.
///
/// Requests are performed in order, except a purge of unsent bytes, which is performed at once.
///
/// # Errors
/// Fails when the line or the stream broke off. The line is then dropped, which restores it.
pub async fn serve<L, S>(line: L, stream: &mut S) -> Result<(), ServeError>
where
    L: Line,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut server = TelnetServer::default();
    let mut out = Outbox::default();
    out.put(server.offer());
    let mut serving = Serving {
        line,
        stream,
        server,
        out,
        actions: VecDeque::new(),
        queued: 0,
        ended: false,
        patience: None,
        suspended: false,
        modem: Modem::default(),
        mask: 0,
        watch: Watch::default(),
        buffer: vec![0; CHUNK].into_boxed_slice(),
    };
    poll_fn(|cx| serving.poll(cx)).await?;
    poll_fn(|cx| serving.line.poll_restore(cx)).await;
    Ok(())
}

struct Serving<'s, L, S> {
    line: L,
    stream: &'s mut S,
    server: TelnetServer,
    /// Bytes for the far end.
    out: Outbox,
    /// What the far end has sent, in the order in which it is performed.
    actions: VecDeque<LineAction>,
    /// The sum of the actions' weights.
    queued: usize,
    /// Whether the far end has ended its direction.
    ended: bool,
    patience: Option<Pin<Box<Sleep>>>,
    /// Whether the far end wants no data for now.
    suspended: bool,
    /// The modem lines as last read.
    modem: Modem,
    /// The mask of modem line changes that the far end wants to know.
    mask: u8,
    watch: Watch,
    buffer: Box<[u8]>,
}

enum LineAction {
    Write { bytes: Vec<u8>, done: usize },
    Request(LineRequest),
    Reply(Vec<u8>),
}

impl LineAction {
    /// Returns the action's size for the bound. Actions without data count too.
    fn weight(&self) -> usize {
        match self {
            Self::Write { bytes, done } => bytes.len().saturating_sub(*done),
            Self::Request(_) | Self::Reply(_) => 64,
        }
    }
}

impl<L: Line, S: AsyncRead + AsyncWrite + Unpin> Serving<'_, L, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServeError>> {
        for _ in 0..TURNS {
            self.report_modem(cx).map_err(ServeError::Line)?;
            let full = self.out.len() >= UNSENT;
            // All three get a turn, whatever the others do.
            let received = self.receive(cx).map_err(ServeError::Stream)?;
            let ran = self.run_next(cx).map_err(ServeError::Line)?;
            let sent = self.send_line_data(cx).map_err(ServeError::Line)?;
            if let Poll::Ready(Err(error)) = self.out.poll_send(cx, self.stream) {
                return Poll::Ready(Err(ServeError::Stream(error)));
            }
            if self.ended && self.actions.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let freed = full && self.out.len() < UNSENT;
            if !(received || ran || sent || freed) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads from the far end and queues what it sent. Returns whether there was something.
    fn receive(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.ended || self.queued >= AHEAD || self.out.len() >= UNSENT {
            return Ok(false);
        }
        let mut into = ReadBuf::new(&mut self.buffer);
        if Pin::new(&mut *self.stream).poll_read(cx, &mut into)?.is_pending() {
            return Ok(false);
        }
        self.ended = into.filled().is_empty();
        for event in self.server.receive(into.filled()) {
            match event {
                ServerEvent::Data(bytes) => self.enqueue(LineAction::Write { bytes, done: 0 }),
                ServerEvent::Reply(bytes) => self.enqueue(LineAction::Reply(bytes)),
                ServerEvent::Mark => self.enqueue(LineAction::Reply(TelnetServer::MARK.to_vec())),
                ServerEvent::Suspend(on) => self.suspended = on,
                ServerEvent::Request(request) => self.request(request),
            }
        }
        Ok(true)
    }

    fn request(&mut self, request: LineRequest) {
        match request {
            LineRequest::Purge(purge) if purge.is_to_line() => {
                self.drop_writes();
                // Discards before the line gets anything else.
                self.enqueue(LineAction::Request(request));
                self.actions.rotate_right(1);
            }
            LineRequest::Modem(mask) => {
                // Answered at once, since it does not depend on the line's data.
                self.mask = mask;
                self.out.put(TelnetServer::answer(LineAnswer::Done(request)));
                if mask != 0 {
                    // Reports begin with the current state.
                    let notice = self.modem.notice(self.modem);
                    self.out.put(TelnetServer::answer(LineAnswer::Modem(notice)));
                }
            }
            LineRequest::Purge(_)
            | LineRequest::Baud(_)
            | LineRequest::Bits(_)
            | LineRequest::Parity(_)
            | LineRequest::Stop(_)
            | LineRequest::Flow(_)
            | LineRequest::FlowBack(_)
            | LineRequest::Break(_)
            | LineRequest::Dtr(_)
            | LineRequest::Rts(_) => self.enqueue(LineAction::Request(request)),
        }
    }

    fn enqueue(&mut self, action: LineAction) {
        self.queued += action.weight();
        self.actions.push_back(action);
    }

    fn drop_writes(&mut self) {
        self.actions.retain(|action| !matches!(action, LineAction::Write { .. }));
        self.queued = self.actions.iter().map(LineAction::weight).sum();
    }

    /// Performs the first action in the queue. Returns whether it made progress.
    fn run_next(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let weight = match self.actions.front_mut() {
            None => return Ok(false),
            Some(LineAction::Write { bytes, done }) => {
                let rest = bytes.get(*done..).unwrap_or_default();
                match Pin::new(&mut self.line).poll_write(cx, rest)? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(amount) => {
                        self.patience = None;
                        *done += amount;
                        self.queued = self.queued.saturating_sub(amount);
                        if *done < bytes.len() {
                            return Ok(true);
                        }
                        0
                    }
                    Poll::Pending => return Ok(self.poll_give_up(cx)),
                }
            }
            Some(LineAction::Request(request)) => {
                let request = *request;
                match self.line.poll_request(cx, request) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => {
                        tracing::warn!(%error, ?request, "a request to a serial line failed");
                    }
                }
                let answer = request.told(&self.line.in_force());
                self.out.put(TelnetServer::answer(LineAnswer::Done(answer)));
                LineAction::Request(request).weight()
            }
            Some(reply @ LineAction::Reply(_)) => {
                let weight = reply.weight();
                if let LineAction::Reply(bytes) = reply {
                    self.out.put(std::mem::take(bytes));
                }
                weight
            }
        };
        self.actions.pop_front();
        self.queued = self.queued.saturating_sub(weight);
        self.patience = None;
        Ok(true)
    }

    /// Discards unsent bytes once the far end has ended and the line took too long. Returns whether
    /// it did.
    fn poll_give_up(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.ended {
            return false;
        }
        let within = self.line.leaves_within();
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(within)));
        let over = patience.as_mut().poll(cx).is_ready();
        if over {
            self.drop_writes();
            self.enqueue(LineAction::Request(LineRequest::Purge(Purge::ToLine)));
        }
        over
    }

    /// Sends data from the line to the far end. Returns whether there was some.
    fn send_line_data(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.suspended || self.out.len() >= UNSENT {
            return Ok(false);
        }
        let mut into = ReadBuf::new(&mut self.buffer);
        if Pin::new(&mut self.line).poll_read(cx, &mut into)?.is_pending() {
            return Ok(false);
        }
        if into.filled().is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for byte in into.filled() {
            escape(*byte, &mut self.out);
        }
        Ok(true)
    }

    fn report_modem(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.watch.is_due(cx, self.mask != 0) {
            let now = self.line.modem()?;
            let notice = now.notice(self.modem);
            self.modem = now;
            if notice & self.mask & 0xf != 0 && self.out.len() < UNSENT {
                self.out.put(TelnetServer::answer(LineAnswer::Modem(notice)));
            }
        }
        Ok(())
    }
}
