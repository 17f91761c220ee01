//! `doorward status`.

use doorward_api::{LimitView, StatusView, endpoint};
use doorward_model::escape;

use super::client::{AdminClient, rule_lines, when};
use super::output::Output;
use crate::failure::CommandFailure;

pub(crate) async fn run(
    client: &AdminClient<'_>,
    limits: bool,
    out: &Output,
) -> Result<(), CommandFailure> {
    let status = client.call::<endpoint::Status>(&[], &()).await?;
    if limits {
        return out.print(&status.limits, |limits| show_limits(limits, out));
    }
    out.print(&status, |status| show(status, out))
}

/// Formats a number. Bytes have the largest unit in which they are at least 1.
fn amount(number: u64, unit: &str) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    let mut shown = (number, "");
    for larger in UNITS {
        if unit != "bytes" || shown.0 < 1024 {
            break;
        }
        shown = (shown.0 / 1024, larger);
    }
    format!("{} {}", shown.0, shown.1).trim_end().to_owned()
}

fn show_limits(limits: &[LimitView], out: &Output) -> String {
    let row = |limit: &LimitView| {
        let of = |number: u64| amount(number, &limit.unit);
        let rate = if limit.unit == "in a second" { " a second" } else { "" };
        vec![
            limit.what.clone(),
            limit.in_use.map_or_else(|| "-".to_owned(), of),
            format!("{}{rate}", of(limit.total)),
            format!("{} a {}", of(limit.share), limit.each),
            of(limit.kept),
            of(limit.administration),
            match &limit.setting {
                Some(setting) => format!("{} ({setting})", limit.from),
                None => limit.from.clone(),
            },
        ]
    };
    let rows: Vec<_> = limits.iter().map(row).collect();
    let headings =
        ["LIMIT", "IN USE", "TOTAL", "MOST FOR ONE", "KEPT", "FOR ADMINISTRATION", "FROM"];
    let table = out.table(&headings, &rows);
    format!(
        "{table}\n\nKEPT is reserved for those who hold few, or for networks from which known users and \
         devices connect.\nFROM: usual; less, because of this machine; or the configuration. A setting in \
         the configuration wins."
    )
}

/// Describes the findings of the referee, and the rules that are suspended because of them.
fn referee(status: &StatusView) -> String {
    let found = &status.referee;
    let mut said = format!(
        "{} decisions checked, {} differed, {} skipped",
        found.decided, found.differed, found.skipped
    );
    if !status.suspended.is_empty() {
        said.push_str(&format!(
            "; {} permit nothing until the next `doorward policy apply`",
            rule_lines(&status.suspended)
        ));
    }
    said
}

fn show(status: &StatusView, out: &Output) -> String {
    let state = match status.state.as_str() {
        "ok" => out.good("ok"),
        other => out.bad(&escape(other).to_string()),
    };
    let mut lines = vec![format!(
        "{}  {}  {state}  as of {}",
        out.bold(&status.gateway.to_string()),
        status.domain,
        when(status.time)
    )];
    for condition in &status.conditions {
        let about = out.bad(&escape(&condition.about).to_string());
        lines.push(format!("  {about}: {}", escape(&condition.detail)));
    }
    for (name, value) in [
        ("version", escape(&status.version).to_string()),
        ("policy", format!("revision {}, {} rules", status.revision.0, status.rules)),
        ("epoch", status.epoch.0.to_string()),
        ("sessions", status.sessions.to_string()),
        ("flows", format!("{} ({} untracked)", status.flows, status.untracked)),
        ("referee", referee(status)),
        ("audit", format!("{} records, {} bytes", status.audit_records, status.audit_bytes)),
        ("authority", format!("until {}", when(status.authority_until))),
        ("fingerprint", status.anchor.to_string()),
    ] {
        lines.push(format!("{name:<12}{value}"));
    }
    lines.join("\n")
}
