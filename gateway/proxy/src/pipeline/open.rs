//! Records that a flow opens, before anything is dialed.

use doorward_policies::{Event, Journal, JournalError, Outcome};
use doorward_session::Lease;

use super::held::Granted;
use super::record::{Ended, FlowEnding};

/// A permitted flow whose opening is in the audit log.
#[derive(Debug)]
#[must_use]
pub struct Opened {
    pub(super) granted: Granted,
    pub(super) ending: FlowEnding,
}

impl Opened {
    /// Returns the lease while it is pending.
    pub fn lease(&self) -> &Lease {
        self.granted.first.lease()
    }

    /// Ends the flow for that reason, before anything was dialed.
    pub(super) fn give_up(self, reason: &'static str) -> Ended {
        let Self { granted, ending } = self;
        let (_, lease, _) = granted.spend();
        let (outcome, backend, detail) = (Outcome::Failed, None, None);
        Ended { lease, ending, outcome, reason, backend, detail }
    }
}

/// A permitted flow that does not happen, because its opening could not be recorded.
#[derive(Debug)]
#[must_use]
pub struct NotOpened {
    /// Why it could not be recorded.
    pub error: JournalError,
}

/// Records that the flow opens, and waits until the record is on disk.
///
/// # Errors
/// When the audit log refuses. Then nothing is dialed.
pub async fn open(journal: &dyn Journal, granted: Granted) -> Result<Opened, NotOpened> {
    let authorized = &granted.first;
    let mut record = authorized.record(Event::FlowOpen);
    record.door = Some(granted.via.door());
    if !granted.more.is_empty() {
        let all: Vec<_> = granted.actions().iter().map(|action| action.as_str()).collect();
        record = record.detail(&format!("actions {}", all.join(" ")));
    }
    record.backend = authorized.permit().target().map(ToString::to_string);
    // Waits for both at once, because they mostly share one sync.
    let opening = journal.open(record.clone());
    let (session, opened) = tokio::join!(authorized.connection().session().recorded(), opening);
    match (session, opened) {
        (Ok(()), Ok(closing)) => {
            let ending = FlowEnding::new(closing, record);
            Ok(Opened { granted, ending })
        }
        (session, opened) => {
            let error = session.err().or(opened.err()).unwrap_or(JournalError::Closed);
            let by = authorized.connection().session().subject();
            tracing::warn!(%by, %error, "a flow was refused because it could not be recorded");
            Err(NotOpened { error })
        }
    }
}
