//! `doorward audit`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use http::Method;
use serde_json::Value;

use super::args::AuditCommand;
use super::client::{Client, items, text};
use super::not_built;
use super::output::{Output, pour};
use crate::failure::Failure;
use crate::place::at;

pub(crate) async fn run(
    command: AuditCommand,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    match command {
        AuditCommand::Tail { lines, follow, flow } => {
            let mut path = match flow {
                Some(flow) => format!("/v1/audit?flow={flow}"),
                None => format!("/v1/audit?last={lines}"),
            };
            if follow {
                path.push_str("&follow=1");
            }
            each_line(client, &path, |line| {
                if out.is_json() {
                    return pour(&[line, b"\n"].concat());
                }
                let record: Value = serde_json::from_slice(line)
                    .map_err(|error| Failure::new(format!("a record that is none: {error}")))?;
                pour(format!("{}\n", show(&record, out)).as_bytes())
            })
            .await
        }
        AuditCommand::Export { after, out: file } => {
            let path = format!("/v1/audit?after={after}");
            let Some(name) = file else {
                return each_line(client, &path, |line| pour(&[line, b"\n"].concat())).await;
            };
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&name).map_err(at(&name))?;
            each_line(client, &path, |line| {
                file.write_all(&[line, b"\n"].concat()).map(|()| true).map_err(at(&name))
            })
            .await?;
            file.sync_all().map_err(at(&name))
        }
        AuditCommand::Prune { before } => {
            let before = before.to_string().replace('+', "%2B");
            let path = format!("/v1/audit?before={before}");
            let answer = client.request(Method::DELETE, &path, None).await?;
            out.print(&answer, |answer| format!("{} records are deleted", text(answer, "deleted")))
        }
        AuditCommand::Verify { .. } => Err(not_built("audit verify")),
    }
}

/// Hands every line of an answer on as it comes, for as long as it is wanted.
async fn each_line(
    client: &Client<'_>,
    path: &str,
    mut take: impl FnMut(&[u8]) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut reply = client.begin(Method::GET, path, None).await?;
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

/// An instant as lines show it: always as long.
fn to_the_millisecond(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => format!("{time:.3}"),
        Err(_) => text.to_owned(),
    }
}

/// A record on one line.
fn show(record: &Value, out: &Output) -> String {
    let mut parts = vec![
        to_the_millisecond(&text(record, "at")),
        out.bold(&format!("{:<16}", text(record, "event"))),
    ];
    let subject = match text(record, "subject") {
        none if none.is_empty() => text(record, "prefix"),
        subject => subject,
    };
    let path = match (text(record, "device"), text(record, "path")) {
        (device, path) if device.is_empty() || path.is_empty() => format!("{device}{path}"),
        (device, path) => format!("{device}/{path}"),
    };
    let outcome = match text(record, "outcome") {
        done if done == "done" => out.good(&done),
        other => out.bad(&other),
    };
    parts.extend([subject, text(record, "action"), path, outcome, text(record, "reason")]);
    let rules: Vec<String> = items(record, "rules").iter().map(Value::to_string).collect();
    if !rules.is_empty() {
        parts.push(format!("policy.csv:{}", rules.join(",")));
    }
    for (name, member) in [
        ("query", "query"),
        ("backend", "backend"),
        ("up", "bytes_up"),
        ("down", "bytes_down"),
        ("ms", "millis"),
        ("count", "count"),
        ("first", "first"),
        ("last", "last"),
        ("from", "source"),
        ("detail", "detail"),
        ("id", "flow"),
    ] {
        match text(record, member) {
            none if none.is_empty() => {}
            value => match member {
                "first" | "last" => parts.push(format!("{name}={}", to_the_millisecond(&value))),
                _ => parts.push(format!("{name}={value}")),
            },
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}
