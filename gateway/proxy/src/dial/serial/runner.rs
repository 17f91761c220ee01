use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_model::{LineChange, LineSettings};
use tokio::io::ReadBuf;
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};

use super::hub::{Hub, Order};
use super::line::Line;
use super::request::{Answer, InForce, LineRequest};

/// How long what was written may take to leave, when the line is to be set otherwise or given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the modem's lines are looked at, while somebody wants to be told.
const LOOK: Duration = Duration::from_millis(200);
/// How often the line is moved before others have their turn.
const TURNS: usize = 32;
const CHUNK: usize = 4096;

/// What moves a line's bytes and does what its seats ask, while there are any.
pub(super) struct Runner<L: Line> {
    hub: Arc<Hub>,
    line: L,
    address: String,
    buffer: Box<[u8]>,
    in_force: InForce,
    /// Whether the line is set otherwise than it was declared, as far as is known.
    changed: bool,
    patience: Option<Pin<Box<Sleep>>>,
    look: Option<Interval>,
}

enum Turn {
    Done,
    Wait,
    Over,
}

impl<L: Line> Runner<L> {
    pub(super) fn new(hub: Arc<Hub>, line: L, address: String) -> Self {
        let in_force = hub.lock().in_force;
        let buffer = vec![0; CHUNK].into_boxed_slice();
        Self { hub, line, address, buffer, in_force, changed: false, patience: None, look: None }
    }

    pub(super) async fn run(mut self) {
        if let Err(error) = poll_fn(|cx| self.poll(cx)).await {
            tracing::warn!(%error, line = %self.address, "a serial line broke off");
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
        let waits_for_drain = match state.orders.front() {
            None if !alone => {
                self.patience = None;
                return Ok(Turn::Wait);
            }
            // The last one has gone. What it has written leaves first.
            None => true,
            Some((_, Order::Write { bytes, done })) => {
                let rest = bytes.get(*done..).unwrap_or_default();
                match Pin::new(&mut self.line).poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(amount)) => {
                        self.patience = None;
                        state.written(amount);
                        return Ok(Turn::Done);
                    }
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending if !alone => return Ok(Turn::Wait),
                    // Nobody waits for this to be taken any more.
                    Poll::Pending => {
                        return Ok(if self.is_patience_over(cx) {
                            self.patience = None;
                            state.give_up_writing();
                            Turn::Done
                        } else {
                            Turn::Wait
                        });
                    }
                }
            }
            Some((_, Order::Request(request))) => sets(*request),
            Some((_, Order::Declared { when_drained })) => self.changed && *when_drained,
            Some((_, Order::Discard)) => false,
        };
        if waits_for_drain && self.line.poll_drained(cx).is_pending() && !self.is_patience_over(cx)
        {
            return Ok(Turn::Wait);
        }
        self.patience = None;
        let Some((seat, order)) = state.take_order() else {
            return Ok(if state.close_if_alone() { Turn::Over } else { Turn::Done });
        };
        drop(state);
        match order {
            Order::Request(request) => self.request(seat, request),
            Order::Discard => {
                self.attempt("discard what it has not sent", |line| line.discard_output())
            }
            Order::Declared { .. } => self.declared(),
            Order::Write { .. } => {}
        }
        Ok(Turn::Done)
    }

    fn is_patience_over(&mut self, cx: &mut Context<'_>) -> bool {
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        patience.as_mut().poll(cx).is_ready()
    }

    fn request(&mut self, seat: u64, request: LineRequest) {
        use LineRequest as R;
        let change = LineChange::default();
        match request {
            R::Baud(baud) => self.change(LineChange { baud, ..change }),
            R::Bits(bits) => self.change(LineChange { bits, ..change }),
            R::Parity(parity) => self.change(LineChange { parity, ..change }),
            R::Stop(stop) => self.change(LineChange { stop, ..change }),
            R::Flow(flow) | R::FlowBack(flow) => self.change(LineChange { flow, ..change }),
            R::Break(Some(on)) => self.set_break(on),
            R::Dtr(Some(on)) => self.set_dtr(on),
            R::Rts(Some(on)) => self.set_rts(on),
            R::Break(None) | R::Dtr(None) | R::Rts(None) | R::Purge(_) | R::Modem(_) => {}
        }
        let in_force = self.publish();
        self.hub.lock().answer(seat, Answer::Done(request, in_force));
    }

    /// Puts back what was changed.
    fn declared(&mut self) {
        if !self.changed {
            return;
        }
        self.apply(self.hub.declared);
        if !self.in_force.dtr {
            self.set_dtr(true);
        }
        if !self.in_force.rts {
            self.set_rts(true);
        }
        if self.in_force.sends_break {
            self.set_break(false);
        }
        self.changed = false;
        self.publish();
    }

    fn change(&mut self, change: LineChange) {
        if !change.is_empty() {
            self.apply(change.apply(self.in_force.settings));
        }
    }

    fn apply(&mut self, settings: LineSettings) {
        self.changed = true;
        match self.line.apply(&settings) {
            Ok(in_force) => self.in_force.settings = in_force,
            Err(error) => {
                tracing::warn!(%error, line = %self.address, "a serial line could not be set");
            }
        }
    }

    fn set_dtr(&mut self, on: bool) {
        self.changed = true;
        self.in_force.dtr = on;
        self.attempt("set DTR", |line| line.set_dtr(on));
    }

    fn set_rts(&mut self, on: bool) {
        self.changed = true;
        self.in_force.rts = on;
        self.attempt("set RTS", |line| line.set_rts(on));
    }

    fn set_break(&mut self, on: bool) {
        self.changed = true;
        self.in_force.sends_break = on;
        self.attempt("set a break", |line| line.set_break(on));
    }

    fn attempt(&mut self, what: &str, act: impl FnOnce(&mut L) -> io::Result<()>) {
        if let Err(error) = act(&mut self.line) {
            tracing::warn!(%error, line = %self.address, "a serial line could not {what}");
        }
    }

    /// Lets the seats know what is in force.
    fn publish(&mut self) -> InForce {
        let mut state = self.hub.lock();
        self.in_force.modem = state.in_force.modem;
        state.in_force = self.in_force;
        self.in_force
    }

    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.hub.lock().asks_modem() {
            self.look = None;
            return Ok(());
        }
        let look = self.look.get_or_insert_with(|| {
            let mut look = interval(LOOK);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            look
        });
        while look.poll_tick(cx).is_ready() {
            self.hub.tell_modem(self.line.modem()?);
        }
        Ok(())
    }
}

/// Whether a request may change how characters are sent: what was written before it is sent as
/// the line was set then.
fn sets(request: LineRequest) -> bool {
    use LineRequest as R;
    matches!(
        request,
        R::Baud(Some(_))
            | R::Bits(Some(_))
            | R::Parity(Some(_))
            | R::Stop(Some(_))
            | R::Flow(Some(_))
            | R::FlowBack(Some(_))
            | R::Break(Some(true))
    )
}

impl<L: Line> Drop for Runner<L> {
    fn drop(&mut self) {
        self.hub.close();
        self.declared();
        self.line.restore();
    }
}
