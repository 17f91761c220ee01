//! Requests about the audit log: read, follow and prune.

use std::io;

use bytes::Bytes;
use doorward_api::{ProblemKind, PrunedAnswer, endpoint};
use doorward_model::FlowId;
use doorward_policies::Outcome;
use doorward_session::{Payload, Problem, text};
use doorward_store::AuditLog;
use http::Response;
use http_body_util::{BodyExt as _, StreamBody};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::gate::{Gate, failed};
use crate::request::AdminRequest;
use crate::response::{AdminResult, denied, refused, wrong};

/// How many records one read of the log returns.
const PAGE: u32 = 100;

/// The part of the log that a request reads.
struct Reading {
    after: i64,
    flow: Option<FlowId>,
    /// The most records to send; `None` means all.
    limit: Option<u64>,
    follow: bool,
}

impl AdminRequest<'_> {
    /// Streams records as lines of JSON. The stream holds the lease, and ends when the lease ends.
    pub(crate) async fn read_audit(self, mut gate: Gate) -> AdminResult {
        let number = |name: &str| -> Result<Option<u64>, _> {
            let text = self.query.get(name);
            text.map(|text| text.parse().map_err(|_| wrong(format!("{name} is a number."))))
                .transpose()
        };
        let flow = self.query.get("flow").map(|flow| flow.parse::<FlowId>()).transpose();
        let flow = flow.map_err(|error| wrong(format!("{error}.")))?;
        let (last, after, limit) = (number("last")?, number("after")?, number("limit")?);
        let follow = self.query.contains_key("follow");
        let readings = self.parts.leases.pots().readings();
        let permit = readings.take(&self.visit.party(), 1, self.rank).ok_or_else(|| {
            let detail = "Too many clients are already reading the audit log. End one of them, or try \
                          again later.";
            denied(Problem::new(ProblemKind::Busy, detail))
        })?;
        gate.record(None).await?;
        let audit = self.parts.audit.clone();
        let after = match (after, last) {
            (Some(after), _) => i64::try_from(after).unwrap_or(i64::MAX),
            (None, Some(last)) => {
                let last = u32::try_from(last).unwrap_or(u32::MAX);
                audit.before_last(last).await.map_err(refused)?
            }
            (None, None) => 0,
        };
        let reading = Reading { after, flow, limit, follow };
        let (lines, received) = mpsc::channel(1);
        let clock = self.parts.clock.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let (outcome, reason) = tokio::select! {
                biased;
                () = gate.ended() => (Outcome::Cut, "cut"),
                outcome = send(&audit, reading, &lines, &gate) => match outcome {
                    Ok(()) => (Outcome::Done, "done"),
                    Err(()) => (Outcome::Failed, "broken-off"),
                },
            };
            if outcome == Outcome::Cut {
                // The error makes the connection break, so that the client does not take the cut
                // stream for a complete one.
                drop(lines.send(Err(io::ErrorKind::ConnectionAborted.into())).await);
            }
            let reason = match outcome {
                Outcome::Cut => gate.cause().unwrap_or(reason),
                Outcome::Done | Outcome::Refused | Outcome::Failed | Outcome::Abandoned => reason,
            };
            gate.close(outcome, reason, clock.now());
        });
        Ok(stream(received))
    }

    pub(crate) async fn prune_audit(
        self,
        gate: &mut Gate,
    ) -> crate::response::EndpointResult<endpoint::PruneAudit> {
        let before = self.query.get("before").map(|before| before.parse::<Timestamp>());
        let Some(Ok(before)) = before else {
            return Err(wrong("Say before which instant, as before=2026-01-01T00:00:00Z."));
        };
        gate.record_urgently(&format!("prune before {before}")).await?;
        gate.check_permits()?;
        let deleted = self.parts.audit.prune(before).await.map_err(|error| {
            tracing::error!(%error, "the audit log was not pruned");
            denied(failed())
        })?;
        Ok(PrunedAnswer { deleted })
    }
}

/// Returns the response whose body is the received lines.
fn stream(received: mpsc::Receiver<Result<Bytes, io::Error>>) -> Response<Payload> {
    use tokio_stream::StreamExt as _;
    let frames = ReceiverStream::new(received).map(|chunk| chunk.map(http_body::Frame::data));
    let mut response = text("application/jsonl", "");
    *response.body_mut() = StreamBody::new(frames).boxed_unsync();
    response
}

/// Sends the lines of a reading until it is complete, the client has gone or the log fails.
async fn send(
    audit: &AuditLog,
    mut reading: Reading,
    lines: &mpsc::Sender<Result<Bytes, io::Error>>,
    gate: &Gate,
) -> Result<(), ()> {
    let mut last = audit.last();
    loop {
        // The log already contains every record up to this one, so the read below covers them.
        let covered = *last.borrow_and_update();
        let page = reading.limit.map_or(PAGE, |left| u32::try_from(left).unwrap_or(PAGE).min(PAGE));
        let records = match audit.read_after(reading.after, reading.flow, page).await {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%error, "the audit log cannot be read");
                drop(lines.send(Err(io::Error::other("the log cannot be read"))).await);
                return Err(());
            }
        };
        let count = records.len();
        let mut chunk = Vec::new();
        for record in records {
            reading.after = record.seq;
            match serde_json::to_vec(&record) {
                Ok(line) => {
                    chunk.extend(line);
                    chunk.push(b'\n');
                }
                Err(error) => {
                    tracing::error!(%error, "audit: a record that cannot be written as JSON was left out")
                }
            }
        }
        if let Some(left) = &mut reading.limit {
            *left = left.saturating_sub(count as u64);
        }
        if !chunk.is_empty() {
            let length = chunk.len();
            lines.send(Ok(chunk.into())).await.map_err(drop)?;
            gate.sent(length);
        }
        if reading.limit == Some(0) {
            return Ok(());
        }
        if count < page as usize {
            if !reading.follow {
                return Ok(());
            }
            // No further record up to `covered` matched, so the next read begins after it.
            reading.after = reading.after.max(covered);
            tokio::select! {
                changed = last.changed() => changed.map_err(drop)?,
                () = lines.closed() => return Err(()),
            }
        }
    }
}
