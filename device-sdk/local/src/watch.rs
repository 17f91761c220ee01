//! Watches a modem's lines, where the system does not tell of changes.

use std::task::Context;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the lines are looked at.
const EVERY: Duration = Duration::from_millis(200);

/// When a modem's lines are looked at, while somebody wants to be told of them: no system tells
/// of their changes by itself.
#[derive(Debug, Default)]
pub struct Watch(Option<Interval>);

impl Watch {
    /// Whether to look now, if that is `wanted`. If not now, the task is woken when it is time.
    pub fn is_due(&mut self, cx: &mut Context<'_>, wanted: bool) -> bool {
        if !wanted {
            self.0 = None;
            return false;
        }
        let ticks = self.0.get_or_insert_with(|| {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        let mut due = false;
        // Until it is pending: before that it wakes nobody.
        while ticks.poll_tick(cx).is_ready() {
            due = true;
        }
        due
    }
}
