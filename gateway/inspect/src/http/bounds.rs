//! Bounds on the content and the rate of requests.

use std::num::NonZeroU32;
use std::time::Duration;

/// A counter of a request's content, whatever length was declared.
#[derive(Clone, Debug)]
pub struct Content {
    left: u64,
}

impl Content {
    /// Returns a counter of at most `largest` bytes.
    #[must_use]
    pub fn new(largest: u64) -> Self {
        Self { left: largest }
    }

    /// Counts `bytes` more. Returns false if that is too much: then neither these bytes nor any
    /// later ones are forwarded.
    #[must_use]
    pub fn take(&mut self, bytes: usize) -> bool {
        let left = u64::try_from(bytes).ok().and_then(|bytes| self.left.checked_sub(bytes));
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// The request rate of an interface: a bucket with one token for each request.
#[derive(Clone, Debug)]
pub struct Rate {
    every: Duration,
    burst: NonZeroU32,
    /// When the bucket will be full.
    full: Duration,
}

impl Rate {
    /// Returns a full bucket of `burst` tokens. One token comes back after each `every`.
    #[must_use]
    pub fn new(burst: NonZeroU32, every: Duration) -> Self {
        Self { every, burst, full: Duration::ZERO }
    }

    /// Takes a token at the time `now`, counted from any fixed beginning. Returns false if there is
    /// none.
    #[must_use]
    pub fn take(&mut self, now: Duration) -> bool {
        let full = self.full.max(now).saturating_add(self.every);
        let taken = full.saturating_sub(now) <= self.every.saturating_mul(self.burst.get());
        if taken {
            self.full = full;
        }
        taken
    }

    /// Returns whether the bucket is full at the time `now`, so that it equals a new one.
    #[must_use]
    pub fn is_full(&self, now: Duration) -> bool {
        self.full <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn content_is_taken_up_to_its_bound() {
        let mut content = Content::new(10);
        assert!(content.take(4) && content.take(6) && content.take(0));
        assert!(!content.take(1));
        let mut content = Content::new(10);
        assert!(!content.take(11));
        assert!(!content.take(1), "nothing comes after what was too much");
    }

    #[test]
    fn a_bucket_is_full_at_first_and_fills_with_time() {
        let mut rate = Rate::new(NonZeroU32::new(3).unwrap(), Duration::from_millis(100));
        let mut at = |ms| rate.take(Duration::from_millis(ms));
        assert!(at(1000) && at(1000) && at(1000));
        assert!(!at(1000) && !at(1099));
        assert!(at(1100) && !at(1100));
        assert!(!at(500), "no token comes back when time does");
        assert!(at(9000) && at(9000) && at(9000) && !at(9000));
        assert!(!rate.is_full(Duration::from_millis(9299)));
        assert!(rate.is_full(Duration::from_millis(9300)));
    }

    proptest! {
        #[test]
        fn no_span_has_more_than_burst_and_what_came_back(
            steps in prop::collection::vec(0u64..300, 1..200),
            burst in 1u32..9,
        ) {
            let every = Duration::from_millis(100);
            let mut rate = Rate::new(NonZeroU32::new(burst).unwrap(), every);
            let (mut now, mut taken) = (Duration::ZERO, Vec::new());
            for step in steps {
                now += Duration::from_millis(step);
                if rate.take(now) {
                    taken.push(now);
                }
            }
            for (index, first) in taken.iter().enumerate() {
                for (count, last) in (1u32..).zip(&taken[index..]) {
                    let came = (*last - *first).as_millis() / every.as_millis();
                    prop_assert!(u128::from(count) <= u128::from(burst) + came);
                }
            }
        }
    }
}
