//! Why somebody may do something or not, who may, and what somebody may.

use http::Method;
use serde_json::Value;

use super::client::{Client, items, text, when};
use super::output::Output;
use crate::failure::Failure;

pub(super) async fn explain(
    body: &Value,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    let answer = client.request(Method::POST, "/v1/policies/explain", Some(body)).await?;
    out.print(&answer, |answer| {
        let permit = answer.get("permit").and_then(Value::as_bool).unwrap_or(false);
        let head = if permit { out.good("permit") } else { out.bad("deny") };
        let mut lines = vec![format!("{head}  {}", text(answer, "why"))];
        for one in items(answer, "decided") {
            weighed(one, &mut lines);
        }
        let nearest = items(answer, "nearest");
        if !nearest.is_empty() {
            lines.push(out.bold("the rules that come nearest"));
            for one in nearest {
                weighed(one, &mut lines);
            }
        }
        let list = |name: &str| {
            let all: Vec<&str> = items(answer, name).iter().filter_map(Value::as_str).collect();
            if all.is_empty() { "none".to_owned() } else { all.join(" ") }
        };
        lines.push(format!("{:<13}{}", "roles", list("roles")));
        lines.push(format!("{:<13}{}", "groups", list("groups")));
        match when(answer, "ask_again_at") {
            until if until.is_empty() => {}
            until => lines.push(format!("{:<13}{until}", "until")),
        }
        if let Some(change) = answer.get("change").and_then(Value::as_str) {
            let change = doorward_model::escape(change).to_string();
            lines.push(format!("{:<13}{}", "to allow it", out.bold(&change)));
        }
        lines.join("\n")
    })
}

/// A rule, with the parts of it that fail and what its conditions saw.
fn weighed(one: &Value, lines: &mut Vec<String>) {
    let rule = format!("policy.csv:{} {}", text(one, "line"), text(one, "text"));
    lines.push(format!("  {rule}"));
    let failed: Vec<&str> = items(one, "failed").iter().filter_map(Value::as_str).collect();
    if !failed.is_empty() {
        lines.push(format!("      not this {}", failed.join(", ")));
    }
    for seen in items(one, "conditions") {
        let holds = match seen.get("holds").and_then(Value::as_bool) {
            Some(true) => "holds",
            Some(false) => "does not hold",
            None => "is not known",
        };
        lines.push(format!(
            "      {} {holds}: it saw {}",
            text(seen, "condition"),
            text(seen, "saw")
        ));
    }
}

pub(super) async fn who_can(
    body: &Value,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    let answer = client.request(Method::POST, "/v1/policies/who-can", Some(body)).await?;
    out.print(&answer, |answer| {
        let rows: Vec<Vec<String>> = answer
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| vec![text(one, "subject"), rules(one), when(one, "ask_again_at")])
            .collect();
        if rows.is_empty() {
            "nobody".to_owned()
        } else {
            out.table(&["SUBJECT", "BY", "UNTIL"], &rows)
        }
    })
}

pub(super) async fn what_can(
    body: &Value,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    let answer = client.request(Method::POST, "/v1/policies/what-can", Some(body)).await?;
    out.print(&answer, |answer| {
        let rows: Vec<Vec<String>> = answer
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                let (action, resource) = (text(one, "action"), text(one, "resource"));
                vec![action, resource, rules(one), when(one, "ask_again_at")]
            })
            .collect();
        if rows.is_empty() {
            return "nothing".to_owned();
        }
        out.table(&["ACTION", "RESOURCE", "BY", "UNTIL"], &rows)
    })
}

/// The rules that allow something.
fn rules(one: &Value) -> String {
    let lines = items(one, "rules").iter().filter_map(Value::as_u64);
    lines.map(|line| format!("policy.csv:{line}")).collect::<Vec<_>>().join(" ")
}
