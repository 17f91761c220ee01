//! `doorward user`.

use doorward_api::{CodeRequest, RoleGrant, SubjectView, UserAddition, UserChange, endpoint};

use super::args::UserCommand;
use super::client::{AdminClient, ended, joined, show_warnings, when};
use super::device::{added, certificates, changed, facts, identity, new_code, on_or_off, revoked};
use super::output::Output;
use crate::failure::CommandFailure;

pub(crate) async fn run(
    command: UserCommand,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    match command {
        UserCommand::Add { name, roles, ttl } => {
            let addition = UserAddition { roles, ttl_seconds: ttl.map(|ttl| ttl.as_secs()) };
            let answer = client.call::<endpoint::AddUser>(&[name.as_str()], &addition).await?;
            show_warnings(&answer.value.warnings);
            out.print(&answer, |answer| added(&answer.value, "Let them run this", out))
        }
        UserCommand::Set { name, grant, until, take } => {
            if grant.is_empty() && take.is_empty() {
                return Err(CommandFailure::new("say what to set: --role ROLE or --no-role ROLE"));
            }
            let grant = grant.into_iter().map(|role| RoleGrant { role, until }).collect();
            let change = UserChange { grant, take, ..UserChange::default() };
            let answer = client.call::<endpoint::ChangeUser>(&[name.as_str()], &change).await?;
            changed(&name, &answer, out)
        }
        UserCommand::List => {
            let users = client.list::<endpoint::ListUsers, _>().await?;
            out.print(&users, |users| list(users, out))
        }
        UserCommand::Show { name } => {
            let user = client.call::<endpoint::ShowUser>(&[name.as_str()], &()).await?;
            out.print(&user, |user| {
                let mut lines = facts(user, out);
                lines.push(format!("roles       {}", roles(user)));
                lines.extend(certificates(user, out));
                lines.join("\n")
            })
        }
        UserCommand::Code { name, ttl } => {
            let request = CodeRequest { ttl_seconds: ttl.map(|ttl| ttl.as_secs()) };
            let answer = client.call::<endpoint::NewUserCode>(&[name.as_str()], &request).await?;
            out.print(&answer, |answer| new_code(&answer.value, out))
        }
        UserCommand::Disable { name } => {
            let change = UserChange { enabled: Some(false), ..UserChange::default() };
            let answer = client.call::<endpoint::ChangeUser>(&[name.as_str()], &change).await?;
            changed(&name, &answer, out)
        }
        UserCommand::Enable { name } => {
            let change = UserChange { enabled: Some(true), ..UserChange::default() };
            let answer = client.call::<endpoint::ChangeUser>(&[name.as_str()], &change).await?;
            changed(&name, &answer, out)
        }
        UserCommand::Revoke { name } => {
            let answer = client.call::<endpoint::RevokeUser>(&[name.as_str()], &()).await?;
            out.print(&answer, |answer| revoked(&name, answer))
        }
        UserCommand::Remove { name } => {
            let answer = client.call::<endpoint::RemoveUser>(&[name.as_str()], &()).await?;
            out.print(&answer, |answer| format!("{name} is removed{}", ended(answer.ended)))
        }
    }
}

fn roles(user: &SubjectView) -> String {
    joined(user.roles.iter().flatten().map(|held| match held.until {
        None => held.role.to_string(),
        Some(until) => format!("{} (until {})", held.role, when(until)),
    }))
}

fn list(users: &[SubjectView], out: &Output) -> String {
    let row = |user: &SubjectView| {
        vec![user.name.clone(), on_or_off(user.enabled, out), identity(user), roles(user)]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    out.table(&["USER", "STATE", "IDENTITY", "ROLES"], &rows)
}
