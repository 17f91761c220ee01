//! `doorward audit`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use doorward_api::endpoint;
use doorward_model::escape;
use doorward_policies::{Outcome, Record};
use doorward_store::Numbered;
use jiff::Timestamp;

use super::args::AuditCommand;
use super::client::AdminClient;
use super::end::not_built;
use super::output::{Output, write_while_open};
use crate::data_directory::at;
use crate::failure::CommandFailure;

pub(crate) async fn run(
    command: AuditCommand,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    match command {
        AuditCommand::Tail { lines, follow, flow } => {
            let mut query = match flow {
                Some(flow) => format!("?flow={flow}"),
                None => format!("?last={lines}"),
            };
            if follow {
                query.push_str("&follow=1");
            }
            each_line(client, &query, |line| {
                if out.is_json() {
                    return write_while_open(&[line, b"\n"].concat());
                }
                let record: Numbered = serde_json::from_slice(line).map_err(|error| {
                    CommandFailure::new(format!("a record does not read: {error}"))
                })?;
                write_while_open(format!("{}\n", show(&record.record, out)).as_bytes())
            })
            .await
        }
        AuditCommand::Export { after, out: file } => {
            let query = format!("?after={after}");
            let Some(name) = file else {
                return each_line(client, &query, |line| write_while_open(&[line, b"\n"].concat()))
                    .await;
            };
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&name).map_err(at(&name))?;
            each_line(client, &query, |line| {
                file.write_all(&[line, b"\n"].concat()).map(|()| true).map_err(at(&name))
            })
            .await?;
            file.sync_all().map_err(at(&name))
        }
        AuditCommand::Prune { before } => {
            let before = before.to_string().replace('+', "%2B");
            let query = format!("?before={before}");
            let answer = client.call_with::<endpoint::PruneAudit>(&[], &query, &()).await?;
            out.print(&answer, |answer| format!("{} records are deleted", answer.deleted))
        }
        AuditCommand::Verify { .. } => Err(not_built("audit verify")),
    }
}

/// Reads the audit log, and calls `take` with each line until it returns false.
async fn each_line(
    client: &AdminClient<'_>,
    query: &str,
    mut take: impl FnMut(&[u8]) -> Result<bool, CommandFailure>,
) -> Result<(), CommandFailure> {
    let mut reply = client.read_audit(query).await?;
    let mut rest: Vec<u8> = Vec::new();
    while let Some(chunk) = reply.chunk().await? {
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if !take(line.strip_suffix(b"\n").unwrap_or(&line))? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Formats an instant to the millisecond, so that all lines align.
fn to_the_millisecond(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

/// Formats a record as one line.
fn show(record: &Record, out: &Output) -> String {
    let text = |text: Option<&str>| escape(text.unwrap_or_default()).to_string();
    let subject = match &record.subject {
        Some(subject) => subject.to_string(),
        None => text(record.prefix.as_deref()),
    };
    let device = record.device.as_ref().map(ToString::to_string).unwrap_or_default();
    let path = record.path.as_ref().map(ToString::to_string).unwrap_or_default();
    let resource = match device.is_empty() || path.is_empty() {
        true => format!("{device}{path}"),
        false => format!("{device}/{path}"),
    };
    let outcome = match record.outcome {
        None => String::new(),
        Some(Outcome::Done) => out.good(Outcome::Done.as_str()),
        Some(bad @ (Outcome::Refused | Outcome::Cut | Outcome::Failed | Outcome::Abandoned)) => {
            out.bad(bad.as_str())
        }
    };
    let mut parts = vec![
        to_the_millisecond(record.at),
        out.bold(&format!("{:<16}", record.event.as_str())),
        subject,
        record.action.map(|action| action.to_string()).unwrap_or_default(),
        resource,
        outcome,
        text(record.reason.as_deref()),
    ];
    if !record.rules.is_empty() {
        let lines: Vec<String> = record.rules.iter().map(ToString::to_string).collect();
        parts.push(format!("policy.csv:{}", lines.join(",")));
    }
    let mut named = |name: &str, value: String| {
        if !value.is_empty() {
            parts.push(format!("{name}={value}"));
        }
    };
    let instant = |instant: Option<Timestamp>| instant.map(to_the_millisecond).unwrap_or_default();
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    named("query", record.query.as_ref().map(ToString::to_string).unwrap_or_default());
    named("backend", text(record.backend.as_deref()));
    named("up", number(record.bytes_up));
    named("down", number(record.bytes_down));
    named("ms", number(record.millis));
    named("count", number(record.count));
    named("first", instant(record.first));
    named("last", instant(record.last));
    named("from", record.source.map(|source| source.to_string()).unwrap_or_default());
    named("detail", record.detail.as_ref().map(ToString::to_string).unwrap_or_default());
    named("id", record.flow.map(|flow| flow.to_string()).unwrap_or_default());
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}
