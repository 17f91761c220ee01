//! The life of a policy: preview, tests, history, differences, and the way back.

use std::path::Path;

use http::Method;
use serde_json::{Map, Value, json};
use similar::{ChangeTag, TextDiff};

use super::End;
use super::client::{Client, ended, items, text, when};
use super::output::Output;
use super::policy::{MEMBERS, read};
use crate::failure::Failure;
use doorward_policies::BundleText;

/// Puts a bundle in force, or only says what that would change.
pub(super) async fn apply(
    mut body: Map<String, Value>,
    dry_run: bool,
    reason: &str,
    force_lockout: bool,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    body.insert("dry_run".to_owned(), json!(dry_run));
    body.insert("reason".to_owned(), json!(reason));
    let waits = body.get("confirm_within").and_then(Value::as_u64);
    body.insert("force_lockout".to_owned(), json!(force_lockout));
    let body = Value::Object(body);
    let answer = client.request(Method::PUT, "/v1/policies", Some(&body)).await?;
    out.print(&answer, |answer| {
        let mut shown = preview(answer, dry_run, out);
        shown.push(if dry_run {
            "nothing was changed; leave --dry-run out to apply it".to_owned()
        } else {
            format!(
                "revision {} is in force: {} rules{}",
                text(answer, "revision"),
                text(answer, "rules"),
                ended(answer)
            )
        });
        if let Some(seconds) = waits.filter(|_| !dry_run) {
            shown.push(format!(
                "it undoes itself in {seconds} s unless you run `doorward policy confirm`"
            ));
        }
        shown.join("\n")
    })
}

/// Keeps the bundle in force.
pub(super) async fn confirm(client: &Client<'_>, out: &Output) -> Result<(), Failure> {
    let answer = client.request(Method::POST, "/v1/policies/confirm", None).await?;
    out.print(&answer, |answer| format!("revision {} stays", text(answer, "revision")))
}

/// What a bundle changes, in lines.
fn preview(answer: &Value, dry_run: bool, out: &Output) -> Vec<String> {
    let mut lines = Vec::new();
    let mut list = |name: &str, mark: &str, title: &str, show: &dyn Fn(&Value) -> String| {
        let Some(listed) = answer.get(name) else { return };
        let count = listed.get("count").and_then(Value::as_u64).unwrap_or(0);
        if count == 0 {
            return;
        }
        lines.push(out.bold(&format!("{title} ({count})")));
        let first = items(listed, "first");
        lines.extend(first.iter().map(|one| {
            let line = format!("{mark} {}", doorward_model::escape(&show(one)));
            if mark == "+" { out.good(&line) } else { out.bad(&line) }
        }));
        if (first.len() as u64) < count {
            lines.push(format!("  and {} more", count - first.len() as u64));
        }
    };
    let rule = |one: &Value| one.as_str().unwrap_or_default().to_owned();
    let pair = |one: &Value| {
        format!("{} {} {}", text(one, "subject"), text(one, "action"), text(one, "resource"))
    };
    list("added", "+", "rules added", &rule);
    list("removed", "-", "rules removed", &rule);
    list("opened", "+", "may from then on", &pair);
    list("closed", "-", "may not any more", &pair);
    if answer.get("all_pairs").and_then(Value::as_bool) == Some(false) {
        lines.push(
            "  (there are too many pairs to ask about all; these are of the first)".to_owned(),
        );
    }
    let ending = items(answer, "ending");
    if !ending.is_empty() {
        let title = if dry_run { "live flows that would end" } else { "live flows that ended" };
        lines.push(out.bold(&format!("{title} ({})", ending.len())));
        lines.extend(ending.iter().map(|one| {
            let flow = one.get("flow").unwrap_or(&Value::Null);
            let line = format!(
                "- {} {} {} {}/{}: {}",
                text(flow, "id"),
                text(one, "subject"),
                text(flow, "action"),
                text(flow, "device"),
                text(flow, "path"),
                text(one, "why")
            );
            out.bad(&doorward_model::escape(&line).to_string())
        }));
    }
    if let Some(examined) = answer.get("examined").and_then(Value::as_u64) {
        lines.push(format!("decided alike by Casbin: {examined} questions made from its words"));
    }
    if let Some(passed) = answer.get("passed").and_then(Value::as_u64).filter(|passed| *passed > 0)
    {
        lines.push(format!("tests passed: {passed}"));
    }
    lines
}

/// Runs the tests of a bundle. Status 1 if one fails.
pub(super) async fn test(
    bundle: Option<&Path>,
    client: &Client<'_>,
    out: &Output,
) -> Result<End, Failure> {
    let body = match bundle {
        Some(path) => read(path)?,
        None => Map::new(),
    };
    let body = Value::Object(body);
    let answer = client.request(Method::POST, "/v1/policies/test", Some(&body)).await?;
    let failing = items(&answer, "failing").len();
    out.print(&answer, |answer| {
        let mut lines: Vec<String> = items(answer, "failing")
            .iter()
            .map(|one| {
                let head = format!("tests.toml:{}", text(one, "line"));
                let rest = format!("{}: {}", text(one, "question"), text(one, "why"));
                format!("{} {}", out.bad(&head), doorward_model::escape(&rest))
            })
            .collect();
        let tests = text(answer, "tests");
        lines.push(match failing {
            0 => format!("{} {tests} tests", out.good("passed")),
            count => format!("{} {count} of {tests} tests", out.bad("failed")),
        });
        lines.join("\n")
    })?;
    Ok(if failing == 0 { End::Done } else { End::Failed })
}

/// Every bundle that is or was in force.
pub(super) async fn history(client: &Client<'_>, out: &Output) -> Result<(), Failure> {
    let answer = client.get("/v1/policies/revisions").await?;
    out.print(&answer, |answer| {
        let rows: Vec<Vec<String>> = answer
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                vec![
                    text(one, "revision"),
                    when(one, "at"),
                    text(one, "author"),
                    text(one, "rules"),
                    text(one, "passed"),
                    text(one, "reason"),
                ]
            })
            .collect();
        out.table(&["REVISION", "SINCE", "BY", "RULES", "TESTS", "REASON"], &rows)
    })
}

/// The differences between two bundles, as a unified diff of each file.
pub(super) async fn diff(
    former: &str,
    later: Option<&str>,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    let (first, second) = (bundle(Some(former), client).await?, bundle(later, client).await?);
    let mut files = Map::new();
    let mut shown = Vec::new();
    for (member, file) in MEMBERS.iter().zip(BundleText::FILES) {
        let of = |bundle: &Value| bundle.get(*member).and_then(Value::as_str).map(str::to_owned);
        let (old, new) = (of(&first).unwrap_or_default(), of(&second).unwrap_or_default());
        let changes = TextDiff::from_lines(&old, &new);
        let unified =
            changes.unified_diff().header(&format!("a/{file}"), &format!("b/{file}")).to_string();
        if unified.is_empty() {
            continue;
        }
        shown.extend(unified.lines().map(|line| {
            let line = doorward_model::escape(line).to_string();
            match line.chars().next() {
                Some('+') => out.good(&line),
                Some('-') => out.bad(&line),
                _ => line,
            }
        }));
        let of = |tag: ChangeTag| {
            let lines = changes.iter_all_changes().filter(|change| change.tag() == tag);
            lines.map(|change| json!(change.value().trim_end())).collect::<Vec<_>>()
        };
        let view = json!({ "added": of(ChangeTag::Insert), "removed": of(ChangeTag::Delete) });
        files.insert((*file).to_owned(), view);
    }
    out.print(&Value::Object(files), |_| match shown.is_empty() {
        true => "no difference".to_owned(),
        false => shown.join("\n"),
    })
}

/// The text of a bundle: a revision's by its number, a directory's, or the one in force.
async fn bundle(name: Option<&str>, client: &Client<'_>) -> Result<Value, Failure> {
    match name {
        None => client.get("/v1/policies").await,
        Some(name) => match name.parse::<u32>() {
            Ok(number) => client.get(&format!("/v1/policies/revisions/{number}")).await,
            Err(_) => {
                let mut files = read(Path::new(name))?;
                // What a directory leaves out stays as it is.
                let present = client.get("/v1/policies").await?;
                for member in MEMBERS {
                    let lines = present.get(member).cloned().unwrap_or_default();
                    files.entry(member).or_insert(lines);
                }
                Ok(Value::Object(files))
            }
        },
    }
}
