//! Why somebody may do something or not, who may, what somebody may; what deserves a look, and
//! what would have been otherwise.

use std::path::Path;
use std::time::Duration;

use doorward_model::Clock as _;
use http::Method;
use serde_json::{Map, Value, json};

use super::client::{Client, items, text, when};
use super::output::Output;
use super::policy::read;
use crate::clock::SystemClock;
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

/// Rules that deserve a look.
pub(super) async fn lint(
    bundle: Option<&Path>,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    let body = match bundle {
        Some(path) => read(path)?,
        None => Map::new(),
    };
    let answer = client.request(Method::POST, "/v1/policies/lint", Some(&body.into())).await?;
    out.print(&answer, |answer| {
        let mut lines = Vec::new();
        for one in answer.as_array().into_iter().flatten() {
            let kind = out.bold(&text(one, "kind"));
            lines.push(format!("policy.csv:{} {kind}: {}", text(one, "line"), text(one, "what")));
            lines.push(format!("  {}", text(one, "rule")));
        }
        if lines.is_empty() { "nothing to say".to_owned() } else { lines.join("\n") }
    })
}

/// Recorded decisions that would have come out differently.
pub(super) async fn replay(
    bundle: &Path,
    since: Duration,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    let mut body = read(bundle)?;
    let from = SystemClock.now().checked_sub(since);
    let from = from.map_err(|_| Failure::new("--since: that is too long ago"))?;
    body.insert("since".to_owned(), json!(from));
    let answer = client.request(Method::POST, "/v1/policies/replay", Some(&body.into())).await?;
    out.print(&answer, |answer| {
        let word = |one: &Value, name: &str| match one.get(name).and_then(Value::as_bool) {
            Some(true) => "permit".to_owned(),
            _ => "deny".to_owned(),
        };
        let rows: Vec<Vec<String>> = items(answer, "differing")
            .iter()
            .map(|one| {
                let question = format!(
                    "{} {} {}",
                    text(one, "subject"),
                    text(one, "action"),
                    text(one, "resource")
                );
                let (was, is) = (word(one, "was_permitted"), word(one, "is_permitted"));
                vec![text(one, "count"), question, was, is, rules(one), when(one, "last")]
            })
            .collect();
        let total = format!(
            "{} recorded decisions, {} kinds of them differ",
            text(answer, "decisions"),
            text(answer, "kinds")
        );
        let total = match answer.get("unknown").and_then(Value::as_u64) {
            None | Some(0) => total,
            Some(unknown) => format!(
                "{total}\n{unknown} are not compared: they hang on how old the handshake was, \
                 which is not on record"
            ),
        };
        match rows.is_empty() {
            true => total,
            false => {
                let head = ["COUNT", "QUESTION", "WAS", "WOULD BE", "BY", "LAST"];
                format!("{}\n{total}", out.table(&head, &rows))
            }
        }
    })
}
