//! The flows of a local UDP port: one for each local program that sends to it.

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use doorward_model::DoorName;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{LocalDatagrams, carry};
use crate::notices::Notices;
use crate::opener::{self, Boxed, FlowOpener};

/// How many datagrams may wait for one flow. Further ones are dropped.
const QUEUE: usize = 64;

/// The receiver of the datagrams that come back on the flows.
pub(crate) trait Sink<K>: Send + Sync + 'static {
    /// Delivers one datagram to `key`.
    fn deliver<'a>(&'a self, key: &'a K, datagram: &'a [u8]) -> Boxed<'a, io::Result<()>>;
}

/// A flow of datagrams for each key, such as each program that sends to a port. There are at most
/// `most`. A new flow ends the one that has been idle the longest.
pub(crate) struct FlowTable<K, S> {
    opener: Arc<dyn FlowOpener>,
    notices: Notices,
    sink: Arc<S>,
    idle: Duration,
    most: usize,
    flows: HashMap<K, Entry>,
}

struct Entry {
    queue: mpsc::Sender<Bytes>,
    activity: LastActivity,
    task: AbortHandle,
}

/// The time of the last datagram in either direction.
#[derive(Clone)]
struct LastActivity(Arc<Mutex<Instant>>);

impl LastActivity {
    fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<K, S> FlowTable<K, S>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    S: Sink<K>,
{
    pub(crate) fn new(
        opener: Arc<dyn FlowOpener>,
        notices: Notices,
        sink: Arc<S>,
        idle: Duration,
        most: usize,
    ) -> Self {
        Self { opener, notices, sink, idle, most, flows: HashMap::new() }
    }

    /// Sends a datagram from `key` on its flow to `interface`. The first datagram opens the flow.
    pub(crate) fn send(&mut self, key: &K, interface: &DoorName, datagram: Bytes) {
        if self.flows.get(key).is_some_and(|entry| entry.queue.is_closed()) {
            self.flows.remove(key);
        }
        if !self.flows.contains_key(key) {
            self.make_room();
            let entry = self.open(key.clone(), interface.clone());
            self.flows.insert(key.clone(), entry);
        }
        if let Some(entry) = self.flows.get(key) {
            entry.activity.note();
            // A full queue drops the datagram, as a network would.
            drop(entry.queue.try_send(datagram));
        }
    }

    fn make_room(&mut self) {
        if self.flows.len() < self.most {
            return;
        }
        self.flows.retain(|_, entry| !entry.queue.is_closed());
        while self.flows.len() >= self.most {
            let most_idle = self.flows.iter().min_by_key(|(_, entry)| entry.activity.last());
            let Some(most_idle) = most_idle.map(|(key, _)| key.clone()) else { return };
            self.flows.remove(&most_idle);
        }
    }

    fn open(&self, key: K, interface: DoorName) -> Entry {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let activity = LastActivity::now();
        let mut one =
            LocalSender { key, waiting, sink: Arc::clone(&self.sink), activity: activity.clone() };
        let (opener, notices, idle) = (Arc::clone(&self.opener), self.notices.clone(), self.idle);
        let task = tokio::spawn(async move {
            match opener::datagrams(&*opener, &interface).await {
                Ok(flow) => {
                    if let Err(error) = carry(flow, &mut one, idle, Duration::ZERO).await {
                        notices.failed(Some(&interface), error);
                    }
                }
                Err(refusal) => {
                    notices.refused(&interface, &refusal);
                    // Keeps the entry for a while, so that the next datagram does not ask the
                    // gateway again.
                    tokio::time::sleep(REFUSAL_HOLD).await;
                }
            }
        });
        Entry { queue, activity, task: task.abort_handle() }
    }
}

/// How long a refusal holds for further datagrams.
const REFUSAL_HOLD: Duration = Duration::from_secs(1);

/// The local end of one of these flows.
struct LocalSender<K, S> {
    key: K,
    waiting: mpsc::Receiver<Bytes>,
    sink: Arc<S>,
    activity: LastActivity,
}

impl<K: Send + Sync, S: Sink<K>> LocalDatagrams for LocalSender<K, S> {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        Ok(self.waiting.recv().await)
    }

    async fn deliver(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.activity.note();
        self.sink.deliver(&self.key, datagram).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opener::tests::{FakeBackend, FakeOpener};

    type Delivery = (u8, Vec<u8>);

    struct Delivered(mpsc::Sender<Delivery>);

    impl Sink<u8> for Delivered {
        fn deliver<'a>(&'a self, key: &'a u8, datagram: &'a [u8]) -> Boxed<'a, io::Result<()>> {
            Box::pin(async move {
                drop(self.0.send((*key, datagram.to_vec())).await);
                Ok(())
            })
        }
    }

    fn table(
        backend: FakeBackend,
        idle: Duration,
    ) -> (Arc<FakeOpener>, FlowTable<u8, Delivered>, mpsc::Receiver<Delivery>) {
        let (sender, delivered) = mpsc::channel(16);
        let fake = Arc::new(FakeOpener::new(backend));
        let opener = Arc::clone(&fake) as Arc<dyn FlowOpener>;
        let (notices, sink) = (Notices::new(false, true), Arc::new(Delivered(sender)));
        (fake, FlowTable::new(opener, notices, sink, idle, 2), delivered)
    }

    #[tokio::test]
    async fn each_has_a_flow_and_the_stillest_makes_room() {
        let (fake, mut table, mut delivered) = table(FakeBackend::Echo, Duration::from_secs(60));
        let interface = "dns--box".parse().unwrap();
        for (key, text, flows) in
            [(1, "a", 1), (2, "b", 2), (1, "c", 2), (3, "d", 3), (1, "e", 3), (2, "f", 4)]
        {
            table.send(&key, &interface, Bytes::from_static(text.as_bytes()));
            assert_eq!(delivered.recv().await, Some((key, text.as_bytes().to_vec())));
            assert_eq!(fake.requests().len(), flows, "{text}");
            assert!(table.flows.len() <= 2);
        }
    }

    #[tokio::test]
    async fn one_that_is_still_or_refused_ends() {
        let (fake, mut table, mut delivered) = table(FakeBackend::Echo, Duration::from_millis(30));
        let interface = "dns--box".parse().unwrap();
        table.send(&1, &interface, Bytes::from_static(b"a"));
        delivered.recv().await.unwrap();
        let ended = async {
            while !table.flows[&1].queue.is_closed() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
        table.send(&1, &interface, Bytes::from_static(b"b"));
        assert_eq!(delivered.recv().await, Some((1, b"b".to_vec())));
        assert_eq!(fake.requests().len(), 2);

        let (fake, mut table, _came) =
            self::table(FakeBackend::Refuse(None), Duration::from_secs(60));
        for _ in 0..200 {
            table.send(&1, &interface, Bytes::from_static(b"a"));
            tokio::task::yield_now().await;
        }
        assert_eq!(fake.requests().len(), 1, "a refusal holds for a while");
    }
}
