//! Serves an inspected flow of bytes.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_inspect::{Fault, Machine, Out, Progress, Sender};
use doorward_policies::Outcome;
use doorward_session::{Cause, Wire};
use doorward_wire::Why;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};
use tokio::time::{sleep_until, timeout};

use super::judge::MessageJudge;
use super::lane::Lane;
use super::operations::hand_over;
use super::unadmitted::unadmitted;
use crate::dial::BackendConnection;
use crate::pipeline::approach::Approached;
use crate::pipeline::dial::{Dialed, DialedBackend};
use crate::pipeline::held::{Granted, HeldLeases};
use crate::pipeline::record::Ended;
use crate::pipeline::relay_end::RelayEnd;
use crate::pipeline::{Means, begin};

/// How long a side may take to accept the last bytes.
const PARTING: Duration = Duration::from_secs(1);
/// How many bytes may wait for one side before the flow stops reading.
const WAITING: usize = 64 * 1024;

/// Serves a flow from its first message to its end. Returns `None` if nothing was ever permitted.
pub(super) async fn stream(
    means: &Means,
    approached: &Approached,
    machine: Box<dyn Machine>,
    judge: MessageJudge,
    wire: Box<dyn Wire>,
) -> Option<Ended> {
    let mut flow = Flow::new(machine, judge, wire);
    let granted = match flow.run(None, unadmitted(approached)).await {
        Stop::Admitted(granted) => granted,
        stop @ (Stop::Over(_) | Stop::Fault(_) | Stop::Ended(_)) => {
            flow.end_client(&stop).await;
            return None;
        }
    };
    let records = flow.judge.operations.take();
    let dialed = match begin(means, *granted, hand_over(means, approached, records)).await {
        Ok(dialed) => dialed,
        Err(not_begun) => {
            flow.wire.cut(not_begun.why());
            return None;
        }
    };
    let Dialed { backend, address, lease, ending, .. } = dialed;
    let stop = match backend {
        DialedBackend::Stream(mut backend) => {
            let stop = flow.run(Some((&mut backend, &lease)), lease.over()).await;
            flow.end_device(&stop, backend).await;
            stop
        }
        // The interface was declared anew as a datagram interface meanwhile.
        backend @ DialedBackend::Datagrams(_) => {
            backend.reset();
            Stop::Ended(RelayEnd::Mismatch)
        }
    };
    flow.end_client(&stop).await;
    let (outcome, reason, detail) = stop.outcome();
    Some(Ended {
        lease,
        ending,
        outcome,
        reason,
        backend: Some(address),
        detail: detail.map(str::to_owned),
    })
}

/// An inspected flow.
struct Flow {
    machine: Box<dyn Machine>,
    judge: MessageJudge,
    wire: Box<dyn Wire>,
    out: Out,
    up: Lane,
    down: Lane,
    /// Which side is polled first in the next round.
    turn: Sender,
    /// The sides of which the machine had not read everything when its turn was over.
    unread: Unread,
    /// The device accepts no more bytes. What it still sends is delivered.
    device_closed: bool,
    /// A side has broken the protocol. What was decided before is still sent.
    fault: Option<Fault>,
}

/// For each side, whether the machine had not read everything when its turn was over.
#[derive(Default)]
struct Unread {
    client: bool,
    device: bool,
}

impl Unread {
    fn by(&mut self, side: Sender) -> &mut bool {
        match side {
            Sender::Client => &mut self.client,
            Sender::Device => &mut self.device,
        }
    }
}

/// Why a flow stops, or why this phase of it does.
enum Stop {
    /// The first message was permitted, and waits to be forwarded.
    Admitted(Box<Granted>),
    /// The machine has ended the flow, for that reason.
    Over(&'static str),
    /// A side has broken the protocol.
    Fault(Fault),
    /// The flow ended like an uninspected one.
    Ended(RelayEnd),
}

enum Next {
    Read(Sender),
    End(Sender),
    Settle,
    Stop(Stop),
}

impl Flow {
    fn new(machine: Box<dyn Machine>, judge: MessageJudge, wire: Box<dyn Wire>) -> Self {
        let (up, down) = (Lane::default(), Lane::default());
        let (out, turn, unread) = (Out::default(), Sender::Client, Unread::default());
        let (device_closed, fault) = (false, None);
        Self { machine, judge, wire, out, up, down, turn, unread, device_closed, fault }
    }

    /// Reads, asks and forwards, until the flow must stop.
    async fn run(
        &mut self,
        mut device: Option<(&mut BackendConnection, &HeldLeases)>,
        over: impl Future<Output = Cause>,
    ) -> Stop {
        let mut over = pin!(over);
        loop {
            let due = self.judge.operations.due();
            let mut settle = pin!(async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                }
            });
            let next = poll_fn(|cx| {
                if let Poll::Ready(cause) = over.as_mut().poll(cx) {
                    return Poll::Ready(Next::Stop(Stop::Ended(RelayEnd::Cut(cause))));
                }
                if settle.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Next::Settle);
                }
                self.poll(cx, &mut device)
            });
            match next.await {
                Next::Stop(stop) => return stop,
                Next::Settle => self.judge.operations.settle(),
                Next::End(Sender::Client) => {
                    if device.is_some() {
                        self.machine.parting(&mut self.judge, &mut self.out);
                    }
                    self.up.ending = true;
                }
                Next::End(Sender::Device) => self.down.ending = true,
                Next::Read(side) => {
                    let read = self.read(side, device.as_mut().map(|(backend, _)| &mut **backend));
                    if let Err(stop) = read.await {
                        return stop;
                    }
                    if device.is_none() && !self.out.device.is_empty() {
                        // Without a permitted message there is nothing for the device.
                        return match self.judge.admitted() {
                            Some(granted) => Stop::Admitted(granted),
                            None => Stop::Ended(RelayEnd::Client),
                        };
                    }
                    self.judge.nothing_forwarded();
                }
            }
            if self.judge.operations.recorded().await.is_err() {
                return Stop::Ended(RelayEnd::NotRecorded);
            }
            self.judge.operations.rest().await;
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        device: &mut Option<(&mut BackendConnection, &HeldLeases)>,
    ) -> Poll<Next> {
        let lease = device.as_ref().map(|(_, lease)| *lease);
        let down = self.down.poll(cx, &mut self.out.client, Pin::new(&mut self.wire), |bytes| {
            if let Some(lease) = lease {
                lease.moved_down(bytes);
            }
        });
        if let Poll::Ready(Err(error)) = down {
            tracing::trace!(%error, "a client accepts no more bytes");
            return Poll::Ready(Next::Stop(Stop::Ended(RelayEnd::Client)));
        }
        let up = match device {
            Some((backend, lease)) if !self.device_closed => {
                let moved = |bytes| lease.moved_up(bytes);
                self.up.poll(cx, &mut self.out.device, Pin::new(&mut **backend), moved)
            }
            Some(_) | None => Poll::Ready(Ok(())),
        };
        if let Poll::Ready(Err(error)) = &up {
            tracing::trace!(%error, "a device accepts no more bytes");
            self.device_closed = true;
        }
        if self.device_closed {
            self.out.device.clear();
        }
        let stop = self.fault.map(Stop::Fault).or(self.out.over.map(Stop::Over));
        if let Some(stop) = stop {
            let done = down.is_ready() && up.is_ready();
            return if done { Poll::Ready(Next::Stop(stop)) } else { Poll::Pending };
        }
        if self.down.ended && (self.device_closed || self.up.ended) {
            let end = if self.device_closed { RelayEnd::Backend } else { RelayEnd::Complete };
            return Poll::Ready(Next::Stop(Stop::Ended(end)));
        }
        if device.is_none() && self.up.ending && down.is_ready() {
            return Poll::Ready(Next::Stop(Stop::Ended(RelayEnd::Complete)));
        }
        let turn = self.turn;
        self.turn = other(turn);
        for side in [turn, other(turn)] {
            let filled = match side {
                Sender::Client
                    if self.up.ending || self.device_closed || !self.has_room(WAITING) =>
                {
                    continue;
                }
                Sender::Device if self.down.ending => continue,
                // A device that does not read may be waiting until its own bytes are read.
                Sender::Device if !self.has_room(4 * WAITING) => continue,
                Sender::Client | Sender::Device if *self.unread.by(side) => Poll::Ready(Ok(true)),
                Sender::Client => fill(cx, Pin::new(&mut self.wire)),
                Sender::Device => match device {
                    Some((backend, _)) => fill(cx, Pin::new(&mut **backend)),
                    None => continue,
                },
            };
            match filled {
                Poll::Pending => {}
                Poll::Ready(Ok(true)) => return Poll::Ready(Next::Read(side)),
                Poll::Ready(Ok(false)) => return Poll::Ready(Next::End(side)),
                Poll::Ready(Err(error)) => {
                    tracing::trace!(?side, %error, "a flow broke off");
                    let end = match side {
                        Sender::Client if self.down.ended => RelayEnd::ClientLeft,
                        Sender::Client => RelayEnd::Client,
                        Sender::Device => RelayEnd::Backend,
                    };
                    return Poll::Ready(Next::Stop(Stop::Ended(end)));
                }
            }
        }
        Poll::Pending
    }

    fn has_room(&self, for_device: usize) -> bool {
        self.down.waiting(&self.out.client) < WAITING
            && self.up.waiting(&self.out.device) < for_device
    }

    /// Lets the machine read the bytes that a side has sent.
    async fn read(
        &mut self,
        side: Sender,
        device: Option<&mut BackendConnection>,
    ) -> Result<(), Stop> {
        let Self { machine, judge, wire, out, fault, unread, .. } = self;
        let source: &mut (dyn AsyncBufRead + Send + Unpin) = match (side, device) {
            (Sender::Client, _) => wire,
            (Sender::Device, Some(backend)) => backend,
            (Sender::Device, None) => return Ok(()),
        };
        let broken = || match side {
            Sender::Client => Stop::Ended(RelayEnd::Client),
            Sender::Device => Stop::Ended(RelayEnd::Backend),
        };
        // A machine in the middle of a message continues without new bytes, which may be long in
        // coming.
        let bytes = match std::mem::take(unread.by(side)) {
            true => &[],
            false => source.fill_buf().await.map_err(|_| broken())?,
        };
        let length = bytes.len();
        judge.operations.begin_turn();
        let taken = match machine.read(side, bytes, judge, out) {
            Ok(Progress::All) => length,
            Ok(Progress::Part(taken)) => {
                *unread.by(side) = true;
                taken
            }
            Err(error) => {
                *fault = Some(error);
                length
            }
        };
        source.consume(taken);
        Ok(())
    }

    /// Ends the device's side.
    async fn end_device(&mut self, stop: &Stop, mut backend: BackendConnection) {
        if matches!(stop, Stop::Ended(RelayEnd::Complete)) {
            return;
        }
        // Last messages can be sent only between two messages.
        let between = self.up.waiting(&self.out.device) == 0 && !self.device_closed;
        if between && !self.up.ended {
            let mut last = Out::default();
            self.machine.parting(&mut self.judge, &mut last);
            let proper = matches!(stop, Stop::Over(_));
            if (proper || !last.device.is_empty()) && self.judge.operations.recorded().await.is_ok()
            {
                let mut lane = Lane::default();
                lane.ending = true;
                let said =
                    poll_fn(|cx| lane.poll(cx, &mut last.device, Pin::new(&mut backend), |_| {}));
                if let Ok(Ok(())) = timeout(PARTING, said).await {
                    return;
                }
            }
        }
        backend.reset();
    }

    /// Ends the client's side.
    async fn end_client(mut self, stop: &Stop) {
        self.judge.operations.settle();
        drop(self.judge.operations.recorded().await);
        let why = match stop {
            Stop::Ended(RelayEnd::Complete) | Stop::Over(_) => None,
            // Everything was delivered.
            Stop::Ended(RelayEnd::ClientLeft) => return,
            Stop::Ended(
                end @ (RelayEnd::Client
                | RelayEnd::Backend
                | RelayEnd::Mismatch
                | RelayEnd::NotRecorded
                | RelayEnd::Cut(_)),
            ) => end.why(),
            // The machine has told the client already.
            Stop::Fault(_) if self.out.over.is_some() => None,
            Stop::Fault(_) | Stop::Admitted(_) => Some(Why::Wrong),
        };
        // The machine may have sent an answer before it gave up.
        self.down.ending = why.is_none();
        let Self { mut down, mut out, mut wire, .. } = self;
        if why.is_none() || matches!(stop, Stop::Fault(_)) {
            let said = poll_fn(|cx| down.poll(cx, &mut out.client, Pin::new(&mut wire), |_| {}));
            if !matches!(timeout(PARTING, said).await, Ok(Ok(()))) {
                tracing::trace!("a client did not accept its last bytes");
            }
        }
        if let Some(why) = why {
            wire.cut(why);
        }
    }
}

fn other(side: Sender) -> Sender {
    match side {
        Sender::Client => Sender::Device,
        Sender::Device => Sender::Client,
    }
}

/// Polls whether a source has bytes; `false` is its end.
fn fill<R: AsyncBufRead + ?Sized>(
    cx: &mut Context<'_>,
    source: Pin<&mut R>,
) -> Poll<io::Result<bool>> {
    source.poll_fill_buf(cx).map_ok(|bytes| !bytes.is_empty())
}

impl Stop {
    fn outcome(&self) -> (Outcome, &'static str, Option<&'static str>) {
        match self {
            Self::Ended(end) => {
                let (outcome, reason) = end.outcome();
                (outcome, reason, None)
            }
            Self::Over(why) => (Outcome::Done, why, None),
            Self::Fault(Fault { by: Sender::Client, what }) => {
                (Outcome::Failed, "client-broke-protocol", Some(what))
            }
            Self::Fault(Fault { by: Sender::Device, what }) => {
                (Outcome::Failed, "device-broke-protocol", Some(what))
            }
            Self::Admitted(_) => (Outcome::Abandoned, "abandoned", None),
        }
    }
}
