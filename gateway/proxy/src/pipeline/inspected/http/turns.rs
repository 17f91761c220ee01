use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often parts that wake each other have their turn before other flows do.
const TURNS: usize = 32;

/// Runs a future whose parts wake each other: a client's connection, a request, a connection to the
/// backend. What one part has for another is taken at once, instead of by way of the scheduler, which
/// would wake a thread for it each time.
pub(super) async fn in_turns<F: Future>(future: F) -> F::Output {
    let (mut future, bell) = (pin!(future), Arc::new(Bell::default()));
    let waker = Waker::from(Arc::clone(&bell));
    poll_fn(|cx| bell.poll(cx, future.as_mut(), &waker)).await
}

/// Rung by the parts.
#[derive(Default)]
struct Bell {
    task: AtomicWaker,
    rung: AtomicBool,
    /// The future is having its turn: whoever rings now is heard after it.
    heard: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        if !self.heard.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

impl Bell {
    fn poll<F: Future>(
        &self,
        cx: &mut Context<'_>,
        mut future: Pin<&mut F>,
        waker: &Waker,
    ) -> Poll<F::Output> {
        self.task.register(cx.waker());
        for _ in 0..TURNS {
            self.heard.store(true, Ordering::SeqCst);
            self.rung.store(false, Ordering::SeqCst);
            let polled = future.as_mut().poll(&mut Context::from_waker(waker));
            // From here on whoever rings wakes the task.
            self.heard.store(false, Ordering::SeqCst);
            if polled.is_ready() || !self.rung.load(Ordering::SeqCst) {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::Notify;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicBool);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn parts_that_wake_each_other_need_no_scheduler() {
        let (ping, pong, rounds) = (Notify::new(), Notify::new(), Cell::new(0));
        let both = async {
            let one = async {
                for _ in 0..10 {
                    ping.notify_one();
                    pong.notified().await;
                    rounds.set(rounds.get() + 1);
                }
            };
            let other = async {
                loop {
                    ping.notified().await;
                    pong.notify_one();
                }
            };
            tokio::select! {
                biased;
                () = one => {}
                () = other => {}
            }
        };
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let polled = pin!(in_turns(both)).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_ready());
        assert_eq!(rounds.get(), 10);
        assert!(!woken.0.load(Ordering::SeqCst));
    }

    #[test]
    fn others_have_their_turn_and_nobody_rings_in_vain() {
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut turns = 0;
        let endless = poll_fn(|cx| {
            turns += 1;
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        let polled = pin!(in_turns(endless)).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending() && woken.0.load(Ordering::SeqCst));
        assert_eq!(turns, TURNS);

        // From outside, between its turns.
        let (woken, bell) = (Arc::new(Count::default()), Notify::new());
        let waker = Waker::from(Arc::clone(&woken));
        let mut waits = pin!(in_turns(bell.notified()));
        assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(!woken.0.load(Ordering::SeqCst));
        bell.notify_one();
        assert!(woken.0.load(Ordering::SeqCst));
        assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    }
}
