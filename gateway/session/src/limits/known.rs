//! The networks that known subjects came from. A part of the slots before authentication is kept
//! for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_model::Prefix;
use tokio::time::Instant;

/// The most networks that are remembered.
const MOST: usize = 4096;

/// Networks, and when a known subject last came from each. Clones are cheap and share one state.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownNetworks(Arc<Mutex<HashMap<Prefix, Instant>>>);

impl KnownNetworks {
    fn networks(&self) -> MutexGuard<'_, HashMap<Prefix, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn contain(&self, prefix: Prefix) -> bool {
        self.networks().contains_key(&prefix)
    }

    /// Remembers that a known subject came from that network. Forgets the network that was seen
    /// longest ago, if there are too many.
    pub(super) fn remember(&self, prefix: Prefix) {
        let mut networks = self.networks();
        if networks.len() >= MOST && !networks.contains_key(&prefix) {
            let oldest = networks.iter().min_by_key(|(_, last)| **last);
            if let Some(oldest) = oldest.map(|(prefix, _)| *prefix) {
                networks.remove(&oldest);
            }
        }
        networks.insert(prefix, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let known = KnownNetworks::default();
        for n in 0..40_000_u32 {
            known.remember(Prefix::of(IpAddr::from(n.to_be_bytes())));
        }
        assert!(known.networks().len() <= MOST);
    }
}
