//! Serves an inspected flow of datagrams.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_inspect::{DatagramMachine, Out, Sender};
use doorward_session::{Cause, CutNotice};
use doorward_wire::{FlowDatagrams, LARGEST_DATAGRAM, Why};
use tokio::io::ReadBuf;
use tokio::time::{sleep, sleep_until};

use super::judge::MessageJudge;
use super::operations::hand_over;
use super::unadmitted::unadmitted;
use crate::dial::Messages;
use crate::pipeline::approach::Approached;
use crate::pipeline::dial::{Dialed, DialedBackend};
use crate::pipeline::held::{Granted, HeldLeases};
use crate::pipeline::record::Ended;
use crate::pipeline::relay_end::RelayEnd;
use crate::pipeline::{Means, begin};

/// Serves a flow of datagrams from its first datagram to its end. Returns `None` if nothing was
/// ever permitted.
pub(super) async fn exchange(
    means: &Means,
    approached: &Approached,
    machine: Box<dyn DatagramMachine>,
    judge: MessageJudge,
    (client, notice): (Box<FlowDatagrams>, CutNotice),
) -> Option<Ended> {
    // One buffer for the whole flow, because a datagram cannot be read in parts.
    let buffer = vec![0; LARGEST_DATAGRAM];
    let mut flow = Flow { machine, judge, client, out: Out::default(), buffer };
    let granted = match flow.run(None, unadmitted(approached)).await {
        Stop::Admitted(granted) => granted,
        Stop::Ended(end) => {
            flow.leave(notice, end.why()).await;
            return None;
        }
    };
    let records = flow.judge.operations.take();
    let dialed = match begin(means, *granted, hand_over(means, approached, records)).await {
        Ok(dialed) => dialed,
        Err(not_begun) => {
            flow.leave(notice, Some(not_begun.why())).await;
            return None;
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

/// How often lasting operations are asked about again.
const GLANCE: Duration = Duration::from_secs(1);

struct Flow {
    machine: Box<dyn DatagramMachine>,
    judge: MessageJudge,
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
    /// Lasting operations may no longer be permitted.
    Recheck,
    Settle,
    End(RelayEnd),
}

impl Flow {
    async fn run(
        &mut self,
        mut device: Option<(&mut Messages, &HeldLeases)>,
        over: impl Future<Output = Cause>,
    ) -> Stop {
        let mut over = pin!(over);
        let mut snapshots = self.judge.operations.snapshots();
        loop {
            let (lasts, changed) = (self.machine.lasts(), snapshots.changed());
            let mut changed = pin!(async {
                if !lasts {
                    return pending().await;
                }
                tokio::select! {
                    changed = changed => if changed.is_err() { pending().await },
                    // Time alone may have changed an answer.
                    () = sleep(GLANCE) => {}
                }
            });
            let due = self.judge.operations.due();
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
                Next::Settle => self.judge.operations.settle(),
                Next::Recheck => {
                    self.judge.operations.begin_turn();
                    for ended in self.machine.recheck(&mut self.judge.recheck()) {
                        self.client.send(&ended.client);
                        if let Some((device, _)) = &mut device {
                            device.send(&ended.device);
                        }
                    }
                }
                Next::Datagram(from, length) => {
                    let Self { machine, judge, out, buffer, .. } = self;
                    judge.operations.begin_turn();
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if let Err(fault) = machine.read(from, datagram, judge, out) {
                        tracing::trace!(%fault, "a datagram was dropped");
                    }
                    if device.is_none() && !out.device.is_empty() {
                        return match judge.admitted() {
                            Some(granted) => Stop::Admitted(granted),
                            // Without a permitted message there is nothing for the device.
                            None => Stop::Ended(RelayEnd::Client),
                        };
                    }
                    judge.nothing_forwarded();
                }
            }
            if self.judge.operations.recorded().await.is_err() {
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
            self.judge.operations.rest().await;
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
        self.judge.operations.settle();
        drop(self.judge.operations.recorded().await);
        if let Some(why) = why {
            notice.cut(why);
        }
        self.client.close(why.unwrap_or(Why::Ended));
    }
}
