use serde_json::Value;

use super::client::{Client, items, text, when};
use super::output::Output;
use crate::failure::Failure;

pub(crate) async fn run(client: &Client<'_>, out: &Output) -> Result<(), Failure> {
    let answer = client.get("/v1/status").await?;
    out.print(&answer, |answer| show(answer, out))
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
