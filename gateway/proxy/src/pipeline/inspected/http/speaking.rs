use std::pin::Pin;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

/// A connection to a backend, while it speaks.
pub(super) type Speaker = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The connections to its backend that one flow has: they speak where the flow runs, so that a
/// request and its answer cross no thread.
pub(super) struct Speaking {
    begun: mpsc::Receiver<Speaker>,
    all: FuturesUnordered<Speaker>,
}

impl Speaking {
    /// What has connections speak that are handed over; no more than that many are new at once.
    pub(super) fn new(most: usize) -> (mpsc::Sender<Speaker>, Self) {
        let (begins, begun) = mpsc::channel(most);
        (begins, Self { begun, all: FuturesUnordered::new() })
    }

    /// Has them speak. Never answers; dropped, it can be called again.
    pub(super) async fn run(&mut self) {
        loop {
            tokio::select! {
                Some(one) = self.begun.recv() => self.all.push(one),
                Some(()) = self.all.next() => {}
                else => return std::future::pending().await,
            }
        }
    }

    /// Answers when all have ended.
    pub(super) async fn ended(mut self) {
        self.begun.close();
        while let Some(one) = self.begun.recv().await {
            self.all.push(one);
        }
        while let Some(()) = self.all.next().await {}
    }
}
