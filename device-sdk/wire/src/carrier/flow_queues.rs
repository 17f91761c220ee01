//! Sorts a connection's datagrams into the queues of their flows.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use tokio::sync::mpsc;

/// How many received datagrams of one flow may wait for their reader.
pub(crate) const QUEUE: usize = 192;

/// How many datagrams of one connection may wait for a flow that is not registered yet.
pub(crate) const EARLY: usize = 32;

/// The queues of all flows on one QUIC connection that receive datagrams.
#[derive(Debug, Default)]
pub(crate) struct FlowQueues {
    known: HashMap<u64, mpsc::Sender<Bytes>>,
    /// Datagrams of flows that are not registered, the oldest first. A datagram can overtake the
    /// answer on its flow's stream.
    early: VecDeque<(u64, Bytes)>,
}

impl FlowQueues {
    /// Puts a datagram into its flow's queue, or keeps it for a flow that is not registered yet.
    pub(crate) fn deliver(&mut self, flow: u64, datagram: Bytes) {
        if let Some(queue) = self.known.get(&flow) {
            // A full queue drops the datagram, as a network would.
            drop(queue.try_send(datagram));
            return;
        }
        if self.early.len() >= EARLY {
            self.early.pop_front();
        }
        self.early.push_back((flow, datagram));
    }

    /// Registers a flow. Returns the queue that receives its datagrams.
    pub(crate) fn register(&mut self, flow: u64) -> mpsc::Receiver<Bytes> {
        let (sender, queue) = mpsc::channel(QUEUE);
        self.early.retain(|(early, datagram)| {
            if *early == flow {
                // The channel cannot be full: QUEUE is larger than EARLY.
                drop(sender.try_send(datagram.clone()));
            }
            *early != flow
        });
        self.known.insert(flow, sender);
        queue
    }

    /// Removes the queue of a flow that is over.
    pub(crate) fn forget(&mut self, flow: u64) {
        self.known.remove(&flow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_that_overtakes_its_flows_answer_is_not_lost() {
        let mut queues = FlowQueues::default();
        queues.deliver(4, Bytes::from_static(b"one"));
        queues.deliver(8, Bytes::from_static(b"of another"));
        queues.deliver(4, Bytes::from_static(b"two"));
        let mut queue = queues.register(4);
        queues.deliver(4, Bytes::from_static(b"three"));
        for text in [&b"one"[..], b"two", b"three"] {
            assert_eq!(queue.try_recv().as_deref(), Ok(text));
        }
        assert_eq!(queues.early.len(), 1);
        for flow in 0..1000 {
            queues.deliver(100 + flow, Bytes::new());
        }
        assert_eq!(queues.early.len(), EARLY);
    }
}
