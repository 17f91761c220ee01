//! `doorward policy`: bundles in force and proposed ones.

use std::fs;
use std::path::Path;

use doorward_policies::BundleText;
use http::Method;
use serde_json::{Map, Value, json};

use super::args::{Attribute, PolicyCommand, Question};
use super::client::{Client, items, text, when};
use super::output::Output;
use super::{End, bench, explain, revision, sets};
use crate::failure::Failure;
use crate::place::at;

/// The files of a bundle, and their names in requests.
pub(super) const MEMBERS: [&str; 5] = ["model", "policy", "roles", "groups", "tests"];

pub(crate) async fn run(
    command: PolicyCommand,
    client: &Client<'_>,
    out: &Output,
) -> Result<End, Failure> {
    use PolicyCommand as C;
    match command {
        C::Show { out: dir } => show(dir.as_deref(), client, out).await?,
        C::Apply { bundle, force_lockout, dry_run, reason, confirm_within } => {
            let mut body = read(&bundle)?;
            if let Some(within) = confirm_within {
                let seconds = u32::try_from(within.as_secs().max(1)).unwrap_or(u32::MAX);
                body.insert("confirm_within".to_owned(), json!(seconds));
            }
            revision::apply(body, dry_run, &reason, force_lockout, client, out).await?;
        }
        C::Rollback { revision, dry_run, reason, force_lockout } => {
            let body = Map::from_iter([("revision".to_owned(), json!(revision))]);
            revision::apply(body, dry_run, &reason, force_lockout, client, out).await?;
        }
        C::Test { bundle } => return revision::test(bundle.as_deref(), client, out).await,
        C::History => revision::history(client, out).await?,
        C::Diff { former, later } => revision::diff(&former, later.as_deref(), client, out).await?,
        C::Check(question) => {
            let body = asked(&question);
            let answer = client.request(Method::POST, "/v1/policies/check", Some(&body)).await?;
            let permit = answer.get("permit").and_then(Value::as_bool).unwrap_or(false);
            out.print(&answer, |answer| verdict(answer, permit, out))?;
            return Ok(if permit { End::Done } else { End::Denied });
        }
        C::Confirm => revision::confirm(client, out).await?,
        C::Explain(question) => explain::explain(&asked(&question), client, out).await?,
        C::WhoCan { action, resource, at, from, attr } => {
            let attrs = attributes(attr.as_ref());
            let body = json!({
                "action": action, "resource": resource, "at": at, "from": from, "attrs": attrs,
            });
            explain::who_can(&body, client, out).await?;
        }
        C::Lint { bundle } => explain::lint(bundle.as_deref(), client, out).await?,
        C::Replay { bundle, since } => explain::replay(&bundle, since, client, out).await?,
        C::WhatCan { subject, at } => {
            explain::what_can(&json!({ "subject": subject, "at": at }), client, out).await?;
        }
        C::Bench { sets: true, .. } => sets::run(out)?,
        C::Bench { bundle, rules, shape, sets: false } => {
            bench::run(bundle.as_deref(), rules, shape, client, out).await?
        }
    }
    Ok(End::Done)
}

/// A question, as a request asks it.
fn asked(question: &Question) -> Value {
    let Question { subject, action, resource, at, from, attr } = question;
    let attrs = attributes(attr.as_ref());
    json!({
        "subject": subject, "action": action, "resource": resource, "at": at, "from": from,
        "attrs": attrs,
    })
}

fn attributes(given: Option<&Attribute>) -> Map<String, Value> {
    given.into_iter().map(|(name, value)| (name.clone(), json!(value))).collect()
}

async fn show(dir: Option<&Path>, client: &Client<'_>, out: &Output) -> Result<(), Failure> {
    let answer = client.get("/v1/policies").await?;
    let Some(dir) = dir else {
        return out.print(&answer, |answer| {
            let mut text = format!(
                "# revision {}, since {}, by {}\n",
                text(answer, "revision"),
                when(answer, "at"),
                self::text(answer, "author")
            );
            for (member, file) in MEMBERS.iter().zip(BundleText::FILES).skip(1).take(3) {
                let lines = answer.get(*member).and_then(Value::as_str).unwrap_or_default();
                text.push_str(&format!("\n{}\n{lines}", out.bold(&format!("# {file}"))));
            }
            text
        });
    };
    fs::create_dir_all(dir).map_err(at(dir))?;
    for (member, file) in MEMBERS.iter().zip(BundleText::FILES) {
        let path = dir.join(file);
        let lines = answer.get(*member).and_then(Value::as_str).unwrap_or_default();
        fs::write(&path, lines).map_err(at(&path))?;
    }
    out.print(&answer, |answer| {
        format!("revision {} is in {}", text(answer, "revision"), dir.display())
    })
}

/// The files of a bundle: all of a directory's, or one that replaces `policy.csv`.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = |path: &Path| fs::read_to_string(path).map_err(at(path));
    let mut body = Map::new();
    if !path.is_dir() {
        body.insert("policy".to_owned(), Value::String(text(path)?));
        return Ok(body);
    }
    for (member, file) in MEMBERS.iter().zip(BundleText::FILES) {
        let path = path.join(file);
        // A bundle without links or tests may leave their files out; the model is fixed.
        // A link that leads nowhere is there, and cannot be read.
        let lines = match (*member, path.symlink_metadata().is_ok()) {
            ("policy", _) | (_, true) => text(&path)?,
            ("model", false) => continue,
            (_, false) => String::new(),
        };
        body.insert((*member).to_owned(), Value::String(lines));
    }
    Ok(body)
}

fn verdict(answer: &Value, permit: bool, out: &Output) -> String {
    let head = if permit { out.good("permit") } else { out.bad("deny") };
    let mut lines = vec![format!("{head}  {}", text(answer, "why"))];
    for rule in items(answer, "text") {
        let rule = rule.as_str().unwrap_or_default();
        lines.push(format!("  {}", doorward_model::escape(rule)));
    }
    match when(answer, "ask_again_at") {
        until if until.is_empty() => {}
        until => lines.push(format!("  ask again at {until}")),
    }
    lines.join("\n")
}
