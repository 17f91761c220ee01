//! Moves bytes between a serial line and its flows.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_local::{Answer, InForce, Line, LineRequest, Purge, Watch};
use tokio::io::ReadBuf;
use tokio::time::{Sleep, sleep, timeout};

use super::hub::Hub;
use super::hub_state::HubCommand;

/// How much longer than what was written takes to leave the line may take to be put back.
const SLACK: Duration = Duration::from_secs(2);
/// How often the line is moved before others have their turn.
const TURNS: usize = 32;
const CHUNK: usize = 4096;

/// What moves a line's bytes and does what its seats ask, while there are any.
pub(super) struct Runner<L: Line> {
    hub: Arc<Hub>,
    line: L,
    address: String,
    buffer: Box<[u8]>,
    /// How the line was set when it was opened.
    first: InForce,
    /// What puts back what was asked of it since.
    undo: Vec<LineRequest>,
    patience: Option<Pin<Box<Sleep>>>,
    watch: Watch,
}

enum Turn {
    Done,
    Wait,
    Over,
}

impl<L: Line> Runner<L> {
    pub(super) fn new(hub: Arc<Hub>, line: L, address: String) -> Self {
        let (first, undo) = (line.in_force(), Vec::new());
        let buffer = vec![0; CHUNK].into_boxed_slice();
        Self { hub, line, address, buffer, first, undo, patience: None, watch: Watch::default() }
    }

    pub(super) async fn run(mut self) {
        if let Err(error) = poll_fn(|cx| self.poll(cx)).await {
            tracing::warn!(%error, line = %self.address, "a serial line broke off");
            return;
        }
        let within = self.line.leaves_within() + SLACK;
        let restored = poll_fn(|cx| self.line.poll_restore(cx));
        if timeout(within, restored).await.is_err() {
            tracing::warn!(line = %self.address, "a serial line was not put back in time");
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look(cx)?;
        for _ in 0..TURNS {
            let read = self.read(cx)?;
            match self.obey(cx)? {
                Turn::Over => return Poll::Ready(Ok(())),
                Turn::Wait if !read => return Poll::Pending,
                Turn::Wait | Turn::Done => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether there was something.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut into = ReadBuf::new(&mut self.buffer);
        match Pin::new(&mut self.line).poll_read(cx, &mut into) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) if into.filled().is_empty() => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Poll::Ready(Ok(())) => {
                self.hub.deliver(into.filled());
                Ok(true)
            }
        }
    }

    /// Does the first thing that is to be done.
    fn obey(&mut self, cx: &mut Context<'_>) -> io::Result<Turn> {
        let hub = Arc::clone(&self.hub);
        let mut state = hub.lock();
        state.runner = Some(cx.waker().clone());
        let alone = state.seats.is_empty();
        let wait = Ok(Turn::Wait);
        match state.commands.front() {
            None if !alone => {
                self.patience = None;
                return wait;
            }
            None => return Ok(if state.close_if_alone() { Turn::Over } else { Turn::Done }),
            Some((_, HubCommand::Write { whole: true, .. }))
                if !state.in_force.settings.bits.carry_ascii() =>
            {
                let what = "lines would be read as others: it has fewer than seven data bits";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            Some((_, HubCommand::Write { bytes, done, .. })) => {
                let rest = bytes.get(*done..).unwrap_or_default();
                match Pin::new(&mut self.line).poll_write(cx, rest)? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(amount) => state.written(amount),
                    Poll::Pending if !alone => return wait,
                    // Nobody waits for this to be taken any more.
                    Poll::Pending if !self.is_patience_over(cx) => return wait,
                    Poll::Pending => state.give_up_writing(),
                }
            }
            Some((seat, HubCommand::Request(request))) => {
                let (seat, request) = (*seat, *request);
                // Whatever becomes of it, it may have changed the line.
                if let Some(back) = request.undone(&self.first)
                    && !self.undo.contains(&back)
                {
                    self.undo.push(back);
                }
                if self.ask(cx, request).is_pending() {
                    return wait;
                }
                state.in_force = self.line.in_force();
                let told = request.told(&state.in_force);
                state.obeyed();
                state.answer(seat, Answer::Done(told));
            }
            Some((_, HubCommand::Drain)) => {
                // A line is set, also to what it is, when everything before that has left.
                let same = LineRequest::Stop(Some(state.in_force.settings.stop));
                if self.ask(cx, same).is_pending() {
                    return wait;
                }
                state.obeyed();
            }
            Some((_, HubCommand::Discard)) => {
                if self.ask(cx, LineRequest::Purge(Purge::ToLine)).is_pending() {
                    return wait;
                }
                state.obeyed();
            }
            Some((_, HubCommand::PutBack)) => {
                while let Some(request) = self.undo.first().copied() {
                    if self.ask(cx, request).is_pending() {
                        return wait;
                    }
                    self.undo.remove(0);
                }
                state.in_force = self.line.in_force();
                state.obeyed();
            }
        }
        self.patience = None;
        Ok(Turn::Done)
    }

    fn is_patience_over(&mut self, cx: &mut Context<'_>) -> bool {
        let within = self.line.leaves_within();
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(within)));
        patience.as_mut().poll(cx).is_ready()
    }

    fn ask(&mut self, cx: &mut Context<'_>, request: LineRequest) -> Poll<()> {
        let done = ready!(self.line.poll_request(cx, request));
        if let Err(error) = done {
            tracing::warn!(%error, ?request, line = %self.address, "a serial line did not obey");
        }
        Poll::Ready(())
    }

    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let wanted = self.hub.lock().asks_modem();
        if self.watch.is_due(cx, wanted) {
            self.hub.tell_modem(self.line.modem()?);
        }
        Ok(())
    }
}

impl<L: Line> Drop for Runner<L> {
    fn drop(&mut self) {
        self.hub.close();
    }
}
