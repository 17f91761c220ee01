//! TLS session tickets, with one set of keys for each resumption domain.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use rustls::server::ProducesTickets;

/// The session tickets of one resumption domain. They are sealed by keys that exist only in this
/// value, that change every half hour, and that cannot be restored. A ticket is valid for an hour.
pub(crate) struct Tickets {
    keys: Mutex<Vec<Key>>,
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    begin: Instant,
}

struct Key {
    name: [u8; NAME],
    seal: RandomizedNonceKey,
    since: Instant,
}

const NAME: usize = 16;
/// How long a ticket is valid.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// How long a key seals new tickets.
const TURN: Duration = Duration::from_secs(30 * 60);

impl Tickets {
    pub(crate) fn new() -> Self {
        Self::with_clock(Box::new(Instant::now))
    }

    fn with_clock(clock: Box<dyn Fn() -> Instant + Send + Sync>) -> Self {
        let begin = clock();
        Self { keys: Mutex::default(), clock, begin }
    }

    /// Removes the keys that open no ticket any more, and makes a new key when the newest is too
    /// old. The newest key comes first.
    fn live(&self, now: Instant, keys: &mut Vec<Key>) -> Result<(), Unspecified> {
        keys.retain(|key| now.duration_since(key.since) < LIFE + TURN);
        if keys.first().is_none_or(|key| now.duration_since(key.since) >= TURN) {
            let (mut name, mut secret) = ([0; NAME], [0; 32]);
            rand::fill(&mut name)?;
            rand::fill(&mut secret)?;
            let seal = RandomizedNonceKey::new(&AES_256_GCM, &secret)?;
            keys.insert(0, Key { name, seal, since: now });
        }
        Ok(())
    }

    fn age(&self, now: Instant) -> u64 {
        now.duration_since(self.begin).as_secs()
    }

    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let now = (self.clock)();
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.live(now, &mut keys)?;
        let key = keys.first().ok_or(Unspecified)?;
        let mut bytes = [&self.age(now).to_be_bytes(), plain].concat();
        let nonce = key.seal.seal_in_place_append_tag(Aad::from(key.name), &mut bytes)?;
        Ok([key.name.as_slice(), nonce.as_ref().as_slice(), &bytes].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let now = (self.clock)();
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.live(now, &mut keys).ok()?;
        let key = keys.iter().find(|key| key.name == name)?;
        let mut bytes = sealed.to_vec();
        let plain = key.seal.open_in_place(nonce, Aad::from(key.name), &mut bytes).ok()?;
        let (made, plain) = plain.split_at_checked(8)?;
        let made = u64::from_be_bytes(made.try_into().ok()?);
        let old = self.age(now).checked_sub(made)?;
        (old < LIFE.as_secs()).then(|| plain.to_vec())
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        3600
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain).ok()
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(cipher)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn tickets() -> (Tickets, Arc<AtomicU64>) {
        let hands = Arc::new(AtomicU64::new(0));
        let (begin, turned) = (Instant::now(), Arc::clone(&hands));
        let clock = move || begin + Duration::from_secs(turned.load(Ordering::SeqCst));
        (Tickets::with_clock(Box::new(clock)), hands)
    }

    #[test]
    fn a_ticket_is_good_for_an_hour_whatever_happens_in_between() {
        for quiet in [true, false] {
            let (tickets, hands) = tickets();
            hands.store(29 * 60, Ordering::SeqCst);
            let ticket = tickets.encrypt(b"state").unwrap();
            for minute in 30..89 {
                hands.store(minute * 60, Ordering::SeqCst);
                if !quiet {
                    tickets.encrypt(b"other").unwrap();
                }
            }
            assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(b"state".as_slice()));
            hands.store(89 * 60, Ordering::SeqCst);
            assert_eq!(tickets.decrypt(&ticket), None);
        }
    }

    #[test]
    fn a_ticket_of_another_domain_or_an_altered_one_opens_nothing() {
        let (one, _) = tickets();
        let (other, _) = tickets();
        let ticket = one.encrypt(b"state").unwrap();
        assert_eq!(other.decrypt(&ticket), None);
        for at in 0..ticket.len() {
            let mut altered = ticket.clone();
            altered[at] ^= 1;
            assert_eq!(one.decrypt(&altered), None, "byte {at}");
            assert_eq!(one.decrypt(&ticket[..at]), None, "cut at {at}");
        }
    }
}
