//! Bounds how long one flow may work before it yields.

use std::time::Duration;

use tokio::time::Instant;

/// How many questions one turn has.
pub(super) const QUESTIONS: u32 = 128;
/// How long one turn lasts. A question that has begun is finished, which takes some tens of
/// microseconds at most.
pub(super) const TIME: Duration = Duration::from_micros(250);

/// The work of one flow since it last yielded. Without this bound, a flow whose peer sends all the
/// time would hold a thread.
#[derive(Debug, Default)]
pub(super) struct Turn {
    questions: u32,
    worked: Duration,
    /// When the present work began.
    since: Option<Instant>,
}

impl Turn {
    /// Notes that work begins.
    pub(super) fn begin(&mut self) {
        self.since = Some(Instant::now());
    }

    /// Notes that a question is asked.
    pub(super) fn ask(&mut self) {
        self.questions += 1;
    }

    /// Returns whether the flow must yield.
    pub(super) fn is_over(&self) -> bool {
        let works = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.questions >= QUESTIONS || self.worked + works >= TIME
    }

    /// Notes that the work stops. Returns whether the turn is over; then the next turn has begun.
    pub(super) fn end(&mut self) -> bool {
        let is_over = self.is_over();
        if is_over {
            *self = Self::default();
        } else {
            self.worked += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_over_after_so_many_questions() {
        let mut turn = Turn::default();
        for _ in 0..3 {
            for asked in 0..QUESTIONS {
                turn.begin();
                assert!(!turn.is_over(), "{asked}");
                turn.ask();
                assert_eq!(turn.end(), asked + 1 == QUESTIONS);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_over_when_it_has_worked_for_long_and_waiting_is_no_work() {
        let mut turn = Turn::default();
        for work in 0..4 {
            turn.begin();
            turn.ask();
            tokio::time::advance(TIME / 4).await;
            assert_eq!((turn.is_over(), turn.end()), (work == 3, work == 3));
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        turn.begin();
        assert!(!turn.is_over());
    }
}
