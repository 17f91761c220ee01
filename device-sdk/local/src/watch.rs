//! Polls modem lines, since systems do not report their changes.

use std::task::Context;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often modem lines are read.
const EVERY: Duration = Duration::from_millis(200);

/// A timer for reading modem lines, which runs while somebody wants their changes.
#[derive(Debug, Default)]
pub struct Watch(Option<Interval>);

impl Watch {
    /// Returns whether to read the lines now, while that is `wanted`. Otherwise it wakes the task
    /// when it is time.
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
        // Polls until pending, since only then the timer wakes the task.
        while ticks.poll_tick(cx).is_ready() {
            due = true;
        }
        due
    }
}
