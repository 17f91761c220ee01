//! Moves bytes between a serial line and its flows.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_local::{InForce, Line, LineAnswer, LineRequest, Purge, Watch};
use tokio::io::ReadBuf;
use tokio::time::{Sleep, sleep, timeout};

use super::hub::Hub;
use super::hub_state::HubCommand;

/// How much longer the restoring of a line may take than the bytes in its driver take to leave.
const RESTORE_SLACK: Duration = Duration::from_secs(2);
/// How many steps the runner takes before it yields to the runtime.
const STEPS_PER_POLL: usize = 32;
const CHUNK: usize = 4096;

/// The task that moves the bytes of a line, and runs the commands of its seats, as long as there
/// are any.
pub(super) struct Runner<L: Line> {
    hub: Arc<Hub>,
    line: L,
    address: String,
    buffer: Box<[u8]>,
    /// The settings when the line was opened.
    opened: InForce,
    /// The requests that restore what seats have changed since.
    undo: Vec<LineRequest>,
    give_up: Option<Pin<Box<Sleep>>>,
    watch: Watch,
}

enum Step {
    Done,
    Wait,
    Closed,
}

impl<L: Line> Runner<L> {
    pub(super) fn new(hub: Arc<Hub>, line: L, address: String) -> Self {
        let (opened, undo) = (line.in_force(), Vec::new());
        let buffer = vec![0; CHUNK].into_boxed_slice();
        Self { hub, line, address, buffer, opened, undo, give_up: None, watch: Watch::default() }
    }

    pub(super) async fn run(mut self) {
        if let Err(error) = poll_fn(|cx| self.poll(cx)).await {
            tracing::warn!(%error, line = %self.address, "a serial line was lost");
            return;
        }
        let within = self.line.leaves_within() + RESTORE_SLACK;
        let restored = poll_fn(|cx| self.line.poll_restore(cx));
        if timeout(within, restored).await.is_err() {
            tracing::warn!(line = %self.address, "restoring a serial line timed out");
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_modem(cx)?;
        for _ in 0..STEPS_PER_POLL {
            let read = self.read(cx)?;
            match self.run_command(cx)? {
                Step::Closed => return Poll::Ready(Ok(())),
                Step::Wait if !read => return Poll::Pending,
                Step::Wait | Step::Done => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads from the line. Returns whether there were bytes.
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

    /// Runs the first command.
    fn run_command(&mut self, cx: &mut Context<'_>) -> io::Result<Step> {
        let hub = Arc::clone(&self.hub);
        let mut state = hub.lock();
        state.runner = Some(cx.waker().clone());
        let alone = state.seats.is_empty();
        let wait = Ok(Step::Wait);
        match state.commands.front() {
            None if !alone => {
                self.give_up = None;
                return wait;
            }
            None => return Ok(if state.close_if_alone() { Step::Closed } else { Step::Done }),
            Some((_, HubCommand::Write { whole: true, .. }))
                if !state.in_force.settings.bits.carry_ascii() =>
            {
                let what = "the serial line has fewer than seven data bits and cannot carry text";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            Some((_, HubCommand::Write { bytes, done, .. })) => {
                let rest = bytes.get(*done..).unwrap_or_default();
                match Pin::new(&mut self.line).poll_write(cx, rest)? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(amount) => state.bytes_written(amount),
                    Poll::Pending if !alone => return wait,
                    // No seat waits for these bytes.
                    Poll::Pending if !self.is_write_overdue(cx) => return wait,
                    Poll::Pending => state.discard_writes(),
                }
            }
            Some((seat, HubCommand::Request(request))) => {
                let (seat, request) = (*seat, *request);
                // Even a request that fails may have changed the line.
                if let Some(back) = request.undone(&self.opened)
                    && !self.undo.contains(&back)
                {
                    self.undo.push(back);
                }
                if self.ask(cx, request).is_pending() {
                    return wait;
                }
                state.in_force = self.line.in_force();
                let told = request.told(&state.in_force);
                state.command_done();
                state.answer(seat, LineAnswer::Done(told));
            }
            Some((_, HubCommand::Drain)) => {
                // The line completes a request, also one that changes nothing, after everything
                // written before has left.
                let same = LineRequest::Stop(Some(state.in_force.settings.stop));
                if self.ask(cx, same).is_pending() {
                    return wait;
                }
                state.command_done();
            }
            Some((_, HubCommand::Discard)) => {
                if self.ask(cx, LineRequest::Purge(Purge::ToLine)).is_pending() {
                    return wait;
                }
                state.command_done();
            }
            Some((_, HubCommand::PutBack)) => {
                while let Some(request) = self.undo.first().copied() {
                    if self.ask(cx, request).is_pending() {
                        return wait;
                    }
                    self.undo.remove(0);
                }
                state.in_force = self.line.in_force();
                state.command_done();
            }
        }
        self.give_up = None;
        Ok(Step::Done)
    }

    fn is_write_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let within = self.line.leaves_within();
        let give_up = self.give_up.get_or_insert_with(|| Box::pin(sleep(within)));
        give_up.as_mut().poll(cx).is_ready()
    }

    fn ask(&mut self, cx: &mut Context<'_>, request: LineRequest) -> Poll<()> {
        let done = ready!(self.line.poll_request(cx, request));
        if let Err(error) = done {
            let line = &self.address;
            tracing::warn!(%error, ?request, %line, "a serial line did not complete a request");
        }
        Poll::Ready(())
    }

    fn check_modem(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let wanted = self.hub.lock().wants_modem();
        if self.watch.is_due(cx, wanted) {
            self.hub.notify_modem(self.line.modem()?);
        }
        Ok(())
    }
}

impl<L: Line> Drop for Runner<L> {
    fn drop(&mut self) {
        self.hub.close();
    }
}
