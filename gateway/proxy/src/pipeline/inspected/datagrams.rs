//! Serves an inspected flow of datagrams.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_inspect::coap::Coap;
use doorward_inspect::{Out, Sender};
use doorward_session::{Cause, CutNotice};
use doorward_wire::{FlowDatagrams, LARGEST_DATAGRAM, Why};
use tokio::io::ReadBuf;
use tokio::time::{sleep, sleep_until};

use super::begin::{begin, unadmitted};
use super::operations::Operations;
use crate::dial::Messages;
use crate::pipeline::Means;
use crate::pipeline::approach::Approached;
use crate::pipeline::dial::{Dialed, DialedBackend};
use crate::pipeline::held::{Granted, HeldLeases};
use crate::pipeline::record::Ended;
use crate::pipeline::relay::RelayEnd;

/// Serves a flow of datagrams from its first datagram to its end. Returns `None` if nothing was
/// ever permitted.
pub(super) async fn exchange(
    means: &Means,
    approached: Approached,
    machine: Coap,
    client: Box<FlowDatagrams>,
    notice: CutNotice,
) -> Option<Ended> {
    let operations = Operations::new(means, &approached);
    // One buffer for the whole flow, because a datagram cannot be read in parts.
    let buffer = vec![0; LARGEST_DATAGRAM];
    let mut flow = Flow { machine, operations, client, out: Out::default(), buffer };
    let granted = match flow.run(None, unadmitted(&approached)).await {
        Stop::Admitted(granted) => granted,
        Stop::Ended(end) => {
            flow.leave(notice, end.why()).await;
            return None;
        }
    };
    let records = flow.operations.take();
    let dialed = match begin(means, &approached, *granted, records).await {
        Ok(dialed) => dialed,
        Err(not_begun) => {
            let (why, ended) = not_begun.parts();
            flow.leave(notice, Some(why)).await;
            return ended;
        }
    };
    let Dialed { backend, address, lease, ending, .. } = dialed;
    let end = match backend {
        DialedBackend::Datagrams(mut device) => {
            let first = std::mem::take(&mut flow.out.device);
            lease.moved_up(first.len());
            device.send(&first);
            let end = match flow.run(Some((&mut device, &lease)), lease.over()).await {
                Stop::Ended(end) => end,
                Stop::Admitted(_) => RelayEnd::Mismatch,
            };
            for last in flow.machine.parting() {
                device.send(&last.device);
                flow.client.send(&last.client);
            }
            device.close();
            end
        }
        // The interface was declared anew as a stream interface meanwhile.
        backend @ DialedBackend::Stream(_) => {
            backend.reset();
            RelayEnd::Mismatch
        }
    };
    flow.leave(notice, end.why()).await;
    let (outcome, reason) = end.outcome();
    Some(Ended { lease, ending, outcome, reason, backend: Some(address), detail: None })
}

/// How often lasting observations are asked about again.
const GLANCE: Duration = Duration::from_secs(1);

struct Flow<'a> {
    machine: Coap,
    operations: Operations<'a>,
    client: Box<FlowDatagrams>,
    out: Out,
    buffer: Vec<u8>,
}

enum Stop {
    /// The first message was permitted, and waits to be forwarded.
    Admitted(Box<Granted>),
    Ended(RelayEnd),
}

enum Next {
    /// A datagram of that length, from that side, is in the buffer.
    Datagram(Sender, usize),
    /// Observations may no longer be permitted.
    Recheck,
    Settle,
    End(RelayEnd),
}

impl Flow<'_> {
    async fn run(
        &mut self,
        mut device: Option<(&mut Messages, &HeldLeases)>,
        over: impl Future<Output = Cause>,
    ) -> Stop {
        let mut over = pin!(over);
        let mut snapshots = self.operations.snapshots();
        loop {
            let (observes, changed) = (self.machine.observes(), snapshots.changed());
            let mut changed = pin!(async {
                if !observes {
                    return pending().await;
                }
                tokio::select! {
                    changed = changed => if changed.is_err() { pending().await },
                    // Time alone may have changed an answer.
                    () = sleep(GLANCE) => {}
                }
            });
            let due = self.operations.due();
            let mut settle = pin!(async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                }
            });
            let next = poll_fn(|cx| {
                if let Poll::Ready(cause) = over.as_mut().poll(cx) {
                    return Poll::Ready(Next::End(RelayEnd::Cut(cause)));
                }
                if settle.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Next::Settle);
                }
                if changed.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Next::Recheck);
                }
                let device = device.as_mut().map(|(device, _)| &mut **device);
                self.poll(cx, device)
            });
            match next.await {
                Next::End(end) => return Stop::Ended(end),
                Next::Settle => self.operations.settle(),
                Next::Recheck => {
                    self.operations.begin_turn();
                    for ended in self.machine.recheck(&mut self.operations.recheck()) {
                        self.client.send(&ended.client);
                        if let Some((device, _)) = &mut device {
                            device.send(&ended.device);
                        }
                    }
                }
                Next::Datagram(from, length) => {
                    let Self { machine, operations, out, buffer, .. } = self;
                    operations.begin_turn();
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if let Err(fault) = machine.read(from, datagram, operations, out) {
                        tracing::trace!(%fault, "a datagram was dropped");
                    }
                    if device.is_none() && !out.device.is_empty() {
                        return match operations.admitted() {
                            Some(granted) => Stop::Admitted(granted),
                            // Without a permitted message there is nothing for the device.
                            None => Stop::Ended(RelayEnd::Client),
                        };
                    }
                    operations.nothing_forwarded();
                }
            }
            if self.operations.recorded().await.is_err() {
                return Stop::Ended(RelayEnd::NotRecorded);
            }
            let Self { client, out, .. } = self;
            if !out.client.is_empty() {
                client.send(&out.client);
                if let Some((_, lease)) = &device {
                    lease.moved_down(out.client.len());
                }
                out.client.clear();
            }
            if let Some((device, lease)) = &mut device
                && !out.device.is_empty()
            {
                device.send(&out.device);
                lease.moved_up(out.device.len());
                out.device.clear();
            }
            self.operations.rest().await;
        }
    }

    /// Receives the next datagram into the buffer.
    fn poll(&mut self, cx: &mut Context<'_>, device: Option<&mut Messages>) -> Poll<Next> {
        if let Some(device) = device {
            let mut into = ReadBuf::new(&mut self.buffer);
            match device.poll_receive(cx, &mut into) {
                Poll::Pending => {}
                Poll::Ready(Ok(true)) => {
                    return Poll::Ready(Next::Datagram(Sender::Device, into.filled().len()));
                }
                Poll::Ready(Ok(false)) => return Poll::Ready(Next::End(RelayEnd::Complete)),
                Poll::Ready(Err(error)) => {
                    tracing::trace!(%error, "a backend of datagrams broke off");
                    return Poll::Ready(Next::End(RelayEnd::Backend));
                }
            }
        }
        match self.client.poll_receive(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(Next::End(RelayEnd::Client)),
            Poll::Ready(Ok(None)) => Poll::Ready(Next::End(RelayEnd::Complete)),
            Poll::Ready(Ok(Some(datagram))) => {
                let length = datagram.len().min(self.buffer.len());
                if let (Some(buffer), Some(bytes)) =
                    (self.buffer.get_mut(..length), datagram.get(..length))
                {
                    buffer.copy_from_slice(bytes);
                }
                Poll::Ready(Next::Datagram(Sender::Client, length))
            }
        }
    }

    /// Ends the client's side.
    async fn leave(mut self, notice: CutNotice, why: Option<Why>) {
        self.operations.settle();
        drop(self.operations.recorded().await);
        if let Some(why) = why {
            notice.cut(why);
        }
        self.client.close(why.unwrap_or(Why::Ended));
    }
}
