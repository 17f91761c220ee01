use doorward_policies::{Class, Event, Journal, JournalError};
use doorward_session::{Authorized, Lease};

use super::authorize::Via;
use super::record::Ending;

/// A permitted flow whose opening is in the audit log.
#[derive(Debug)]
#[must_use]
pub struct Opened {
    pub(super) authorized: Authorized,
    pub(super) ending: Ending,
}

impl Opened {
    /// Its lease, while it is pending.
    pub fn lease(&self) -> &Lease {
        self.authorized.lease()
    }
}

/// A permitted flow whose opening could not be recorded, and so does not happen.
#[derive(Debug)]
#[must_use]
pub struct NotOpened {
    /// Why.
    pub error: JournalError,
}

/// Records that the flow begins, and waits until that is on disk.
///
/// # Errors
/// When the audit log refuses; then nothing is dialed.
pub async fn open(
    journal: &dyn Journal,
    authorized: Authorized,
    via: Via,
) -> Result<Opened, NotOpened> {
    let mut record = authorized.record(Event::FlowOpen);
    record.door = Some(via.as_str().to_owned());
    record.backend = authorized.permit().target().map(ToString::to_string);
    // Both at once: they mostly share one sync.
    let opening = journal.open(Class::Ordinary, record.clone());
    let (session, opened) = tokio::join!(authorized.session().recorded(), opening);
    match (session, opened) {
        (Ok(()), Ok(closing)) => {
            let ending = Ending::new(closing, record);
            Ok(Opened { authorized, ending })
        }
        (session, opened) => {
            let error = session.err().or(opened.err()).unwrap_or(JournalError::Closed);
            Err(NotOpened { error })
        }
    }
}
