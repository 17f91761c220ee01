//! `doorward status`.

use serde_json::Value;

use super::client::{Client, items, text, when};
use super::output::Output;
use crate::failure::Failure;

pub(crate) async fn run(client: &Client<'_>, limits: bool, out: &Output) -> Result<(), Failure> {
    let answer = client.get("/v1/status").await?;
    if limits {
        let all = answer.get("limits").unwrap_or(&Value::Null);
        return out.print(all, |_| show_limits(items(&answer, "limits"), out));
    }
    out.print(&answer, |answer| show(answer, out))
}

/// A number as people read it: bytes in the largest unit that keeps it short.
fn amount(value: &Value, unit: &str) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    let Some(number) = value.as_u64() else { return "-".to_owned() };
    let mut shown = (number, "");
    for larger in UNITS {
        if unit != "bytes" || shown.0 < 1024 {
            break;
        }
        shown = (shown.0 / 1024, larger);
    }
    format!("{} {}", shown.0, shown.1).trim_end().to_owned()
}

fn show_limits(limits: &[Value], out: &Output) -> String {
    let row = |limit: &Value| {
        let unit = text(limit, "unit");
        let of = |key: &str| amount(limit.get(key).unwrap_or(&Value::Null), &unit);
        let rate = if unit == "in a second" { " a second" } else { "" };
        vec![
            text(limit, "what"),
            of("in_use"),
            format!("{}{rate}", of("total")),
            format!("{} a {}", of("share"), text(limit, "each")),
            of("kept"),
            of("administration"),
            match limit.get("setting").and_then(Value::as_str) {
                Some(setting) => format!("{} ({setting})", text(limit, "from")),
                None => text(limit, "from"),
            },
        ]
    };
    let rows: Vec<_> = limits.iter().map(row).collect();
    let headings =
        ["LIMIT", "IN USE", "TOTAL", "MOST FOR ONE", "KEPT", "FOR ADMINISTRATION", "FROM"];
    let table = out.table(&headings, &rows);
    format!(
        "{table}\n\nKEPT is for whoever holds few, or for networks that known people and devices \
         come from.\nFROM: usual; less, because of this machine; or the configuration. A setting in \
         the configuration wins."
    )
}

/// What the referee has found, and what is suspended for it.
fn referee(answer: &Value) -> String {
    let found = answer.get("referee").unwrap_or(&Value::Null);
    let mut said = format!(
        "{} decisions looked at, {} differed, {} skipped",
        text(found, "decided"),
        text(found, "differed"),
        text(found, "skipped")
    );
    let suspended = items(answer, "suspended");
    if !suspended.is_empty() {
        let lines: Vec<String> =
            suspended.iter().map(|line| format!("policy.csv:{line}")).collect();
        said.push_str(&format!(
            "; {} permit nothing until the next `doorward policy apply`",
            lines.join(" ")
        ));
    }
    said
}

fn show(answer: &Value, out: &Output) -> String {
    let state = match text(answer, "state") {
        ok if ok == "ok" => out.good("ok"),
        other => out.bad(&other),
    };
    let mut lines = vec![format!(
        "{}  {}  {state}  as of {}",
        out.bold(&text(answer, "gateway")),
        text(answer, "domain"),
        when(answer, "time")
    )];
    for condition in items(answer, "conditions") {
        let about = out.bad(&text(condition, "about"));
        lines.push(format!("  {about}: {}", text(condition, "detail")));
    }
    for (name, value) in [
        ("version", text(answer, "version")),
        (
            "policy",
            format!("revision {}, {} rules", text(answer, "revision"), text(answer, "rules")),
        ),
        ("epoch", text(answer, "epoch")),
        ("sessions", text(answer, "sessions")),
        ("flows", format!("{} ({} untracked)", text(answer, "flows"), text(answer, "untracked"))),
        ("referee", referee(answer)),
        (
            "audit",
            format!(
                "{} records, {} bytes",
                text(answer, "audit_records"),
                text(answer, "audit_bytes")
            ),
        ),
        ("authority", format!("until {}", when(answer, "authority_until"))),
        ("fingerprint", text(answer, "anchor")),
    ] {
        lines.push(format!("{name:<12}{value}"));
    }
    lines.join("\n")
}
