//! Asks the policy about a request, and records the request in the audit log.

use std::sync::Arc;

use doorward_api::ProblemKind;
use doorward_model::{Action, Device, FlowId, Path, PeerText, Resource, Subject};
use doorward_policies::{Closing, Door, Event, Journal, Outcome, Record};
use doorward_session::{Authorized, Connection, Leases, Payload, Problem, Refused, note};
use http::Response;
use jiff::Timestamp;

/// The permits and the audit record of one request. Every permitted question keeps its lease until
/// the request has been answered.
pub(crate) struct Gate {
    connection: Arc<Connection>,
    id: FlowId,
    leases: Leases,
    journal: Arc<dyn Journal>,
    granted: Vec<Authorized>,
    recorded: Option<(Box<dyn Closing>, Record)>,
}

/// The response that refuses a request.
pub(crate) type Denied = Box<Response<Payload>>;

/// Describes an action on a part of the administration, for an error message.
fn describe_action(action: Action, part: &str) -> String {
    let (creates, deletes) = (action == Action::Create, action == Action::Delete);
    match part.split_once('/') {
        Some(("networks", network)) if creates => {
            format!("declare or enable interfaces in the network {network}")
        }
        Some(("roles", role)) if creates => format!("give anybody the role {role}"),
        Some(("roles", role)) if deletes => {
            format!("take the role {role} from anybody, nor let it end earlier")
        }
        Some(("groups", group)) if creates => format!("put a device into the group {group}"),
        Some(("groups", group)) if deletes => format!("take a device out of the group {group}"),
        Some(_) | None => format!("{action} {part}"),
    }
}

impl Gate {
    pub(crate) fn new(
        connection: Arc<Connection>,
        id: FlowId,
        leases: Leases,
        journal: Arc<dyn Journal>,
    ) -> Self {
        Self { connection, id, leases, journal, granted: vec![], recorded: None }
    }

    /// Returns the subject that sent the request.
    pub(crate) fn subject(&self) -> &Subject {
        self.connection.session().subject()
    }

    /// Asks the policy whether the session may do `action` on a part of the administration, and
    /// keeps the permit. Records a refusal.
    pub(crate) async fn ask(
        &mut self,
        action: Action,
        part: &str,
        now: Timestamp,
    ) -> Result<(), Denied> {
        let resource = Path::literal(part).map(|path| Resource { device: Device::Gateway, path });
        let refused = match resource {
            Ok(resource) => match self.leases.ask(&self.connection, self.id, action, resource) {
                Ok(authorized) => {
                    self.granted.push(authorized);
                    return Ok(());
                }
                Err(refused) => Some(refused),
            },
            Err(_) => None,
        };
        let record = self.refusal(action, part, refused.as_ref(), now);
        // The record of a refusal is not urgent, so it cannot use the reserved disk space: a subject
        // without a right must not use up the space for the records of others.
        note(&*self.journal, record).await;
        Err(Box::new(
            match refused {
                Some(Refused::Busy | Refused::Degraded) => Problem::new(
                    ProblemKind::Busy,
                    "Too many requests at once. Try again in a moment.",
                ),
                Some(Refused::Denied(_)) | None => Problem::new(
                    ProblemKind::Forbidden,
                    format!(
                        "{} may not {}. For this, a rule of the policy must allow {action} on \
                         gateway/{part}. Somebody who may change the policy adds the rule with \
                         `doorward policy apply`.",
                        self.connection.session().subject(),
                        describe_action(action, part)
                    ),
                ),
            }
            .into_response(),
        ))
    }

    fn refusal(
        &self,
        action: Action,
        part: &str,
        refused: Option<&Refused>,
        now: Timestamp,
    ) -> Record {
        let mut record = self.about(Record::new(now, Event::RequestRefused));
        record.action = Some(action);
        record.path = Some(PeerText::new(part));
        if let Some(Refused::Denied(denial)) = refused {
            record = record.judged(denial.opinion());
        }
        record.ended(Outcome::Refused, refused.map_or("malformed", Refused::as_str))
    }

    fn about(&self, record: Record) -> Record {
        let mut record = self.connection.about(record);
        record.flow = Some(self.id);
        record.door = Some(Door::Management);
        record.device = Some(Device::Gateway);
        record
    }

    /// Records the operation, and waits until the record is on disk. The caller begins the
    /// operation only after that.
    pub(crate) async fn record(&mut self, detail: Option<&str>) -> Result<(), Denied> {
        self.record_as(false, detail).await
    }

    /// Like [`Self::record`], for an operation that takes a right away or frees disk space. Its
    /// record may use reserved space on a full disk.
    pub(crate) async fn record_urgently(&mut self, detail: &str) -> Result<(), Denied> {
        self.record_as(true, Some(detail)).await
    }

    async fn record_as(&mut self, urgent: bool, detail: Option<&str>) -> Result<(), Denied> {
        let Some(first) = self.granted.first() else {
            return Err(Box::new(failed().into_response()));
        };
        let mut record = first.record(Event::Request);
        record.urgent = urgent;
        record.door = Some(Door::Management);
        if let Some(detail) = detail {
            record = record.detail(detail);
        }
        let opening = self.journal.open(record.clone());
        let (session, opened) = tokio::join!(self.connection.session().recorded(), opening);
        // An urgent record names its session and subject, so it needs no record of the session's
        // opening: on a disk that has just become full, there is room for the urgent one only.
        let session = if urgent { Ok(()) } else { session };
        match (session, opened) {
            (Ok(()), Ok(closing)) => {
                self.recorded = Some((closing, record));
                Ok(())
            }
            (session, opened) => {
                let error = session.err().or(opened.err());
                let why = error.map_or_else(String::new, |error| error.to_string());
                let detail = format!("Nothing was done, because it cannot be recorded: {why}.");
                Err(Box::new(Problem::new(ProblemKind::NotRecorded, detail).into_response()))
            }
        }
    }

    /// Records a permitted request that failed before [`Self::record`], for example because its
    /// body was wrong. After [`Self::record`], [`Self::close`] records the failure instead.
    pub(crate) async fn record_failure(&self, status: &str, now: Timestamp) {
        let (None, Some(first)) = (&self.recorded, self.granted.first()) else { return };
        let mut record = first.record(Event::RequestRefused);
        (record.door, record.at) = (Some(Door::Management), now);
        note(&*self.journal, record.ended(Outcome::Failed, status)).await;
    }

    /// Checks that every permit is still valid. The caller does this right before the operation.
    pub(crate) fn check_permits(&self) -> Result<(), Denied> {
        // Time may have passed while the body was read.
        if self.granted.iter().all(|granted| granted.lease().still_stands()) {
            return Ok(());
        }
        let problem = Problem::new(ProblemKind::Forbidden, "The right to this has just ended.");
        Err(Box::new(problem.into_response()))
    }

    /// Waits until the first permit has ended.
    pub(crate) async fn ended(&self) {
        match self.granted.first() {
            Some(granted) => drop(granted.lease().over().await),
            None => std::future::pending().await,
        }
    }

    /// Adds `bytes` of the answer to the lease's counter.
    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(granted) = self.granted.first() {
            granted.lease().moved_down(bytes);
        }
    }

    /// Returns why a permit has ended, if one has.
    pub(crate) fn cause(&self) -> Option<&'static str> {
        let mut causes = self.granted.iter().filter_map(|granted| granted.lease().cause());
        causes.next().map(|cause| cause.as_str())
    }

    /// Records the outcome of the request.
    pub(crate) fn close(mut self, outcome: Outcome, reason: &str, now: Timestamp) {
        self.end(outcome, reason, now);
    }

    fn end(&mut self, outcome: Outcome, reason: &str, now: Timestamp) {
        if let Some((closing, mut record)) = self.recorded.take() {
            record.millis = u64::try_from(now.duration_since(record.at).as_millis()).ok();
            (record.at, record.event) = (now, Event::RequestEnd);
            closing.close(record.ended(outcome, reason));
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some((_, record)) = &self.recorded {
            let at = record.at;
            self.end(Outcome::Abandoned, "abandoned", at);
        }
    }
}

/// Returns the problem for an internal error.
pub(crate) fn failed() -> Problem {
    Problem::new(ProblemKind::Failed, "The gateway failed; see its log.")
}
