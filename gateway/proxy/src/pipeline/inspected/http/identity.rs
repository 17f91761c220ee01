//! Tells backends who asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use doorward_model::{DoorName, FlowId, Subject};
use doorward_session::Problem;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::problem::not_vouched;
use crate::vouch::{IdentifiedAsker, NotVouched, Vouch, Vouched};

/// How long a statement must still be valid when it is sent. The backend's clock may be ahead, and
/// a request takes a while.
const LEFT: Duration = Duration::from_secs(30);

/// The field that tells the backend who asks. `Doorward-*` fields of clients are never forwarded.
const FIELD: HeaderName = HeaderName::from_static("doorward-identity");

/// The statement to the backend of one flow about who asks. All requests of the flow share it, so
/// that not each has to be signed.
pub(super) struct IdentityField {
    vouch: Arc<dyn Vouch>,
    subject: Subject,
    door: DoorName,
    flow: FlowId,
    last: Mutex<Option<SignedIdentity>>,
}

struct SignedIdentity {
    value: HeaderValue,
    since: Timestamp,
    until: Timestamp,
}

impl SignedIdentity {
    /// Returns whether the statement may be sent once more. It may not if it was made in the
    /// future, because the clock has been set back.
    fn is_good(&self, now: Timestamp) -> bool {
        self.since <= now && now.checked_add(LEFT).is_ok_and(|then| then <= self.until)
    }
}

impl IdentityField {
    pub(super) fn new(
        vouch: Arc<dyn Vouch>,
        subject: Subject,
        door: DoorName,
        flow: FlowId,
    ) -> Self {
        Self { vouch, subject, door, flow, last: Mutex::default() }
    }

    /// Writes the statement into a request that is sent at `now`, in place of what is there.
    ///
    /// # Errors
    /// The response, when there is no statement. Then the request must not be sent.
    pub(super) fn write(&self, fields: &mut HeaderMap, now: Timestamp) -> Result<(), Problem> {
        let value = self.value(now).map_err(|error| {
            let by = &self.subject;
            tracing::error!(%by, %error, "a request is not forwarded: its backend cannot be told who asks");
            not_vouched()
        })?;
        fields.insert(FIELD, value);
        Ok(())
    }

    fn value(&self, now: Timestamp) -> Result<HeaderValue, NotVouched> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = last.as_ref().filter(|told| told.is_good(now)) {
            return Ok(told.value.clone());
        }
        let Self { subject, door, flow, .. } = self;
        let Vouched { words, until } =
            self.vouch.vouch(&IdentifiedAsker { subject, door, flow: *flow }, now)?;
        let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(words));
        let mut value = value.map_err(|_| NotVouched("it is no valid header value".to_owned()))?;
        // For a minute the statement stands for its subject at that backend, so it must not be
        // logged.
        value.set_sensitive(true);
        *last = Some(SignedIdentity { value: value.clone(), since: now, until });
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts its statements, and fails at the fourth.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Vouch for Counting {
        fn vouch(
            &self,
            asker: &IdentifiedAsker<'_>,
            now: Timestamp,
        ) -> Result<Vouched, NotVouched> {
            let count = self.0.fetch_add(1, Ordering::SeqCst);
            if count == 3 {
                return Err(NotVouched("the key is gone".to_owned()));
            }
            let words = format!("{} {} {count}", asker.subject, asker.door);
            Ok(Vouched { words, until: now + Duration::from_secs(60) })
        }
    }

    #[test]
    fn what_is_told_is_told_again_while_it_is_good_and_nothing_is_told_instead() {
        let (subject, door) = ("user/alice".parse().unwrap(), "web--box".parse().unwrap());
        let flow = FlowId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let identity = IdentityField::new(Arc::new(Counting::default()), subject, door, flow);
        let mut fields = HeaderMap::new();
        fields.append(FIELD, HeaderValue::from_static("what was told before"));
        let start = 1_000_000;
        for (second, expected) in [
            (0, Some("user/alice web--box 0")),
            (1, Some("user/alice web--box 0")),
            (30, Some("user/alice web--box 0")),
            (31, Some("user/alice web--box 1")),
            // The clock was set back, so the backend would not accept the former statement yet.
            (5, Some("user/alice web--box 2")),
            (35, Some("user/alice web--box 2")),
            (36, None),
            (36, Some("user/alice web--box 4")),
        ] {
            let now = Timestamp::from_second(start + second).unwrap();
            match (identity.write(&mut fields, now), expected) {
                (Ok(()), Some(expected)) => {
                    let told: Vec<_> = fields.get_all(FIELD).iter().collect();
                    assert_eq!(told, [expected], "{second}");
                    assert!(told[0].is_sensitive());
                }
                (Err(problem), None) => assert_eq!(problem.into_response().status(), 503),
                (told, _) => panic!("{second}: {told:?}"),
            }
        }
    }

    #[test]
    fn words_that_would_be_two_headers_are_not_told() {
        struct Two;
        impl Vouch for Two {
            fn vouch(
                &self,
                _: &IdentifiedAsker<'_>,
                now: Timestamp,
            ) -> Result<Vouched, NotVouched> {
                Ok(Vouched { words: "a\r\nX: b".to_owned(), until: now })
            }
        }
        let (subject, door) = ("user/alice".parse().unwrap(), "web--box".parse().unwrap());
        let flow = FlowId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let identity = IdentityField::new(Arc::new(Two), subject, door, flow);
        let mut fields = HeaderMap::new();
        assert!(identity.write(&mut fields, Timestamp::UNIX_EPOCH).is_err() && fields.is_empty());
    }
}
