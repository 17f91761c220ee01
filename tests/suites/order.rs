//! The order of admission and commit leaves no window: every interleaving is tried.

use std::panic::{AssertUnwindSafe, catch_unwind};

use index::Index;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread;

// The product's own file, on primitives whose every interleaving can be tried.
#[path = "../../gateway/session/src/lease/index.rs"]
mod index;

mod sync {
    pub(super) use shuttle::sync::{Arc, Mutex};
    pub(super) use std::sync::PoisonError;
}

struct Flow {
    cut: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Right,
    LoadsBeforeItEnters,
    WalksBeforeItPublishes,
    DoesNotAskAfterTheDial,
}

/// Some clients who ask, dial and relay, while a commit takes the right away.
fn interleave(order: Order, clients: usize) {
    let index = Arc::new(Index::<Flow>::new());
    let allowed = Arc::new(AtomicBool::new(true));
    let acknowledged = Arc::new(AtomicBool::new(false));

    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let (index, allowed) = (Arc::clone(&index), Arc::clone(&allowed));
            let acknowledged = Arc::clone(&acknowledged);
            thread::spawn(move || {
                let flow = Arc::new(Flow { cut: AtomicBool::new(false) });
                let load = || allowed.load(Ordering::SeqCst);
                let (key, permitted) = if order == Order::LoadsBeforeItEnters {
                    let permitted = load();
                    (index.enter(Arc::clone(&flow)), permitted)
                } else {
                    index.admit(Arc::clone(&flow), load, |allowed| allowed)
                };
                let cut = || flow.cut.load(Ordering::SeqCst);
                // The dial is between the decision and here, and takes any time.
                if permitted && (order == Order::DoesNotAskAfterTheDial || !cut()) {
                    for byte in 0..2 {
                        let late = acknowledged.load(Ordering::SeqCst);
                        let unasked = order == Order::DoesNotAskAfterTheDial && byte == 0;
                        if !unasked && cut() {
                            break;
                        }
                        assert!(!late, "a byte moved after the change was acknowledged");
                    }
                }
                index.leave(key);
            })
        })
        .collect();

    let publish = || allowed.store(false, Ordering::SeqCst);
    let walk = || {
        index.walk(|flow| {
            flow.cut.store(true, Ordering::SeqCst);
            false
        })
    };
    if order == Order::WalksBeforeItPublishes {
        walk();
        publish();
    } else {
        publish();
        walk();
    }
    acknowledged.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(index.all().is_empty(), "every lease has left");
}

#[test]
fn no_interleaving_lets_a_byte_pass_after_the_acknowledged_change() {
    // One client against one commit: every interleaving there is.
    shuttle::check_dfs(|| interleave(Order::Right, 1), None);
    // More of them: many interleavings at random.
    shuttle::check_random(|| interleave(Order::Right, 3), 20_000);
}

#[test]
fn every_other_order_lets_one_pass() {
    for order in
        [Order::LoadsBeforeItEnters, Order::WalksBeforeItPublishes, Order::DoesNotAskAfterTheDial]
    {
        let tried = catch_unwind(AssertUnwindSafe(|| {
            shuttle::check_dfs(move || interleave(order, 1), None);
        }));
        let error = tried.expect_err("the wrong order is found out");
        let text = error.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| error.downcast_ref::<&str>().copied()).unwrap_or_default();
        assert!(text.contains("a byte moved after"), "{order:?}: {text}");
    }
}
