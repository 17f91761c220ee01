//! `doorward user`.

use http::Method;
use serde_json::{Value, json};

use super::args::UserCommand;
use super::client::{Client, items, show_warnings, text, when};
use super::device::{certificates, change, code, facts, new_code, remove, revoke, state};
use super::output::Output;
use crate::failure::Failure;

pub(crate) async fn run(
    command: UserCommand,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    match command {
        UserCommand::Add { name, roles, ttl } => {
            let body = json!({ "roles": roles, "ttl_seconds": ttl.map(|ttl| ttl.as_secs()) });
            let path = format!("/v1/users/{name}");
            let answer = client.request(Method::POST, &path, Some(&body)).await?;
            show_warnings(&answer);
            out.print(&answer, |answer| code(answer, "Let them run this", out))
        }
        UserCommand::Set { name, grant, until, take } => {
            if grant.is_empty() && take.is_empty() {
                return Err(Failure::new("say what to set: --role ROLE or --no-role ROLE"));
            }
            let grant: Vec<Value> =
                grant.iter().map(|role| json!({ "role": role, "until": until })).collect();
            let body = json!({ "grant": grant, "take": take });
            change(client, out, "users", &name, &body).await
        }
        UserCommand::List => {
            let answer = client.get("/v1/users").await?;
            out.print(&answer, |answer| list(answer, out))
        }
        UserCommand::Show { name } => {
            let answer = client.get(&format!("/v1/users/{name}")).await?;
            out.print(&answer, |answer| {
                let mut lines = facts(answer, out);
                lines.push(format!("roles       {}", roles(answer)));
                lines.extend(certificates(answer, out));
                lines.join("\n")
            })
        }
        UserCommand::Code { name, ttl } => new_code(client, out, "users", &name, ttl).await,
        UserCommand::Disable { name } => {
            change(client, out, "users", &name, &json!({ "enabled": false })).await
        }
        UserCommand::Enable { name } => {
            change(client, out, "users", &name, &json!({ "enabled": true })).await
        }
        UserCommand::Revoke { name } => revoke(client, out, "users", &name).await,
        UserCommand::Remove { name } => remove(client, out, "users", &name).await,
    }
}

fn roles(user: &Value) -> String {
    let role = |one: &Value| match when(one, "until") {
        until if until.is_empty() => text(one, "role"),
        until => format!("{} (until {until})", text(one, "role")),
    };
    items(user, "roles").iter().map(role).collect::<Vec<_>>().join(" ")
}

fn list(answer: &Value, out: &Output) -> String {
    let rows: Vec<Vec<String>> = answer
        .as_array()
        .into_iter()
        .flatten()
        .map(|user| {
            let identity = match when(user, "identity_until") {
                until if until.is_empty() => "not enrolled".to_owned(),
                until => format!("until {until}"),
            };
            vec![text(user, "name"), state(user, out), identity, roles(user)]
        })
        .collect();
    out.table(&["USER", "STATE", "IDENTITY", "ROLES"], &rows)
}
