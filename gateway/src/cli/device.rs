//! `doorward device`.

use std::time::Duration;

use doorward_model::Name;
use http::Method;
use serde_json::{Value, json};

use super::args::DeviceCommand;
use super::client::{Client, ended, items, show_warnings, text, when};
use super::output::Output;
use crate::failure::Failure;

pub(crate) async fn run(
    command: DeviceCommand,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    match command {
        DeviceCommand::Add { name, agentless, groups, ttl } => {
            let body = json!({
                "agentless": agentless,
                "groups": groups,
                "ttl_seconds": ttl.map(|ttl| ttl.as_secs()),
            });
            let path = format!("/v1/devices/{name}");
            let answer = client.request(Method::POST, &path, Some(&body)).await?;
            show_warnings(&answer);
            out.print(&answer, |answer| match agentless {
                true => format!("device/{name} is added; the gateway fronts it"),
                false => code(answer, "Run this on the device", out),
            })
        }
        DeviceCommand::Set { name, join, leave } => {
            if join.is_empty() && leave.is_empty() {
                return Err(Failure::new("say what to set: --group GROUP or --no-group GROUP"));
            }
            let body = json!({ "join": join, "leave": leave });
            change(client, out, "devices", &name, &body).await
        }
        DeviceCommand::List => {
            let answer = client.get("/v1/devices").await?;
            out.print(&answer, |answer| list(answer, out))
        }
        DeviceCommand::Show { name } => {
            let answer = client.get(&format!("/v1/devices/{name}")).await?;
            out.print(&answer, |answer| show(answer, out))
        }
        DeviceCommand::Code { name, ttl } => new_code(client, out, "devices", &name, ttl).await,
        DeviceCommand::Disable { name } => {
            change(client, out, "devices", &name, &json!({ "enabled": false })).await
        }
        DeviceCommand::Enable { name } => {
            change(client, out, "devices", &name, &json!({ "enabled": true })).await
        }
        DeviceCommand::Revoke { name } => revoke(client, out, "devices", &name).await,
        DeviceCommand::Remove { name } => remove(client, out, "devices", &name).await,
    }
}

/// A code on a line of its own, with what to do with it.
pub(crate) fn code(answer: &Value, todo: &str, out: &Output) -> String {
    format!(
        "{} is added. {todo} before {}:\n\n    doorward-agent enroll CODE\n\nwith this code:\n\n{}\n",
        text(answer, "subject"),
        when(answer, "expires"),
        out.bold(&text(answer, "code")),
    )
}

pub(crate) async fn change(
    client: &Client<'_>,
    out: &Output,
    kind: &str,
    name: &Name,
    body: &Value,
) -> Result<(), Failure> {
    let answer = client.request(Method::PATCH, &format!("/v1/{kind}/{name}"), Some(body)).await?;
    show_warnings(&answer);
    out.print(&answer, |answer| format!("{name} is changed{}", ended(answer)))
}

pub(crate) async fn new_code(
    client: &Client<'_>,
    out: &Output,
    kind: &str,
    name: &Name,
    ttl: Option<Duration>,
) -> Result<(), Failure> {
    let body = json!({ "ttl_seconds": ttl.map(|ttl| ttl.as_secs()) });
    let path = format!("/v1/{kind}/{name}/identity");
    let answer = client.request(Method::POST, &path, Some(&body)).await?;
    out.print(&answer, |answer| {
        format!("Good until {}:\n\n{}\n", when(answer, "expires"), out.bold(&text(answer, "code")))
    })
}

pub(crate) async fn revoke(
    client: &Client<'_>,
    out: &Output,
    kind: &str,
    name: &Name,
) -> Result<(), Failure> {
    let path = format!("/v1/{kind}/{name}/identity");
    let answer = client.request(Method::DELETE, &path, None).await?;
    out.print(&answer, |answer| {
        let count = match text(answer, "revoked").as_str() {
            "1" => "1 certificate".to_owned(),
            count => format!("{count} certificates"),
        };
        format!("the identity of {name} is ended: {count}{}", ended(answer))
    })
}

pub(crate) async fn remove(
    client: &Client<'_>,
    out: &Output,
    kind: &str,
    name: &Name,
) -> Result<(), Failure> {
    let answer = client.request(Method::DELETE, &format!("/v1/{kind}/{name}"), None).await?;
    out.print(&answer, |answer| format!("{name} is removed{}", ended(answer)))
}

/// `on` or `off`, as it stands out.
pub(crate) fn state(value: &Value, out: &Output) -> String {
    match value.get("enabled").and_then(Value::as_bool) {
        Some(true) => "on".to_owned(),
        _ => out.bad("off"),
    }
}

fn list(answer: &Value, out: &Output) -> String {
    let rows: Vec<Vec<String>> = answer
        .as_array()
        .into_iter()
        .flatten()
        .map(|device| {
            let names = |name: &str| {
                let all = items(device, name).iter();
                all.map(|one| one.as_str().map_or_else(|| text(one, "name"), str::to_owned))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let identity = match device.get("agentless").and_then(Value::as_bool) {
                Some(true) => "agentless".to_owned(),
                _ => match when(device, "identity_until") {
                    until if until.is_empty() => "not enrolled".to_owned(),
                    until => format!("until {until}"),
                },
            };
            vec![
                text(device, "name"),
                state(device, out),
                identity,
                names("groups"),
                names("interfaces"),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no devices; add one with `doorward device add NAME`".to_owned();
    }
    out.table(&["DEVICE", "STATE", "IDENTITY", "GROUPS", "INTERFACES"], &rows)
}

fn show(answer: &Value, out: &Output) -> String {
    let mut lines = facts(answer, out);
    let groups: Vec<_> = items(answer, "groups").iter().filter_map(Value::as_str).collect();
    lines.push(format!("groups      {}", groups.join(" ")));
    let interfaces: Vec<Vec<String>> = items(answer, "interfaces")
        .iter()
        .map(|one| vec![text(one, "name"), state(one, out), text(one, "url"), text(one, "host")])
        .collect();
    if !interfaces.is_empty() {
        lines.push(String::new());
        lines.push(out.table(&["INTERFACE", "STATE", "URL", "HOST NAME"], &interfaces));
    }
    lines.extend(certificates(answer, out));
    lines.extend(posture(answer, out));
    lines.join("\n")
}

/// The table of what a device has last reported about itself, if it has.
fn posture(answer: &Value, out: &Output) -> Vec<String> {
    let Some(posture) = answer.get("posture").filter(|posture| !posture.is_null()) else {
        return vec![];
    };
    let said = |value: &Value| match value {
        Value::String(text) => doorward_model::escape(text).to_string(),
        Value::Array(all) => {
            let all = all.iter().filter_map(Value::as_str).map(doorward_model::escape);
            all.map(|one| one.to_string()).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    };
    let facts = posture.get("report").and_then(Value::as_object).into_iter().flatten();
    let rows: Vec<Vec<String>> =
        facts.map(|(name, value)| vec![name.clone(), said(value)]).collect();
    let heading = format!("REPORTED {}", when(posture, "at"));
    vec![String::new(), out.table(&[&heading, ""], &rows)]
}

/// What devices and people have in common.
pub(crate) fn facts(answer: &Value, out: &Output) -> Vec<String> {
    vec![
        out.bold(&text(answer, "subject")),
        format!("number      {}", text(answer, "id")),
        format!("state       {}", state(answer, out)),
        format!("added       {}", when(answer, "created")),
    ]
}

/// The table of certificates, if there are any.
pub(crate) fn certificates(answer: &Value, out: &Output) -> Vec<String> {
    let rows: Vec<Vec<String>> = items(answer, "certificates")
        .iter()
        .map(|one| {
            vec![
                text(one, "serial"),
                text(one, "state"),
                when(one, "not_before"),
                when(one, "not_after"),
            ]
        })
        .collect();
    if rows.is_empty() {
        return vec![];
    }
    vec![String::new(), out.table(&["CERTIFICATE", "STATE", "FROM", "UNTIL"], &rows)]
}
