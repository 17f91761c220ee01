//! The request rates of interfaces that have a `rate`.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use doorward_inspect::http::Rate;
use doorward_model::{InterfaceId, RequestRate};
use tokio::time::Instant;

/// With this many buckets, those that are full are forgotten.
const BUCKETS: usize = 1024;

/// How many requests each interface has taken of late, from all subjects and flows together. There
/// is one bucket for each interface with a rate that is in use.
#[derive(Clone, Debug)]
pub struct Rates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begin: Instant,
    buckets: Mutex<HashMap<(InterfaceId, RequestRate), Rate>>,
}

impl Default for Rates {
    fn default() -> Self {
        Self(Arc::new(Inner { begin: Instant::now(), buckets: Mutex::default() }))
    }
}

impl Rates {
    /// Takes one request from the rate of `interface`. Returns whether the rate allows it.
    pub(super) fn take(&self, interface: InterfaceId, rate: RequestRate) -> bool {
        let now = self.0.begin.elapsed();
        let mut buckets = self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS {
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        let bucket = buckets.entry((interface, rate)).or_insert_with(|| {
            let burst = NonZeroU32::new(rate.count).unwrap_or(NonZeroU32::MIN);
            Rate::new(burst, every(rate))
        });
        bucket.take(now)
    }
}

/// Returns after how long the rate allows one more request.
pub(super) fn every(rate: RequestRate) -> Duration {
    Duration::from_secs(u64::from(rate.seconds)) / rate.count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_interface_has_one_bucket_and_full_ones_are_forgotten() {
        let (rates, rate) = (Rates::default(), RequestRate { count: 2, seconds: 1 });
        let other = rates.clone();
        let one = InterfaceId(1);
        assert!(rates.take(one, rate) && other.take(one, rate) && !rates.take(one, rate));
        assert!(rates.take(InterfaceId(2), rate));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert!(other.take(one, rate) && !rates.take(one, rate));
        for id in 0..5000 {
            tokio::time::advance(Duration::from_millis(10)).await;
            assert!(rates.take(InterfaceId(10 + id), rate));
        }
        assert!(rates.0.buckets.lock().unwrap().len() <= BUCKETS);
    }
}
