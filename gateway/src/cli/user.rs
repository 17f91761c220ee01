//! `doorward user`.

use doorward_api::{CodeRequest, Removal, SubjectView, UserAddition, UserChange, endpoint};
use doorward_model::Period;

use super::args::UserCommand;
use super::client::AdminClient;
use super::device::{
    added, certificates, changed, facts, grants, identity, named, new_code, on_or_off, removed,
    revoked, roles, show_doubts,
};
use super::output::Output;
use super::preview;
use crate::failure::CommandFailure;

pub(crate) async fn run(
    command: UserCommand,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    match command {
        UserCommand::Add { name, title, roles, until, ttl, dry_run } => {
            let ttl_seconds = ttl.map(Period::seconds);
            let addition = UserAddition { title, roles, until, ttl_seconds, dry_run };
            let answer = client.call::<endpoint::AddUser>(&[name.as_str()], &addition).await?;
            show_doubts(&answer);
            let todo = "Let them run this";
            preview::print(&answer, out, |answer| added(&answer.value, todo, out))
        }
        UserCommand::Set { name, title, no_title, grant, until, take, dry_run, force_lockout } => {
            let (enabled, remove_title, grant) = (None, no_title, grants(grant, until));
            let change =
                UserChange { enabled, title, remove_title, grant, take, dry_run, force_lockout };
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
            let request = CodeRequest { ttl_seconds: ttl.map(Period::seconds) };
            let answer = client.call::<endpoint::NewUserCode>(&[name.as_str()], &request).await?;
            out.print(&answer, |answer| new_code(&answer.value, out))
        }
        UserCommand::Disable { name, dry_run, force_lockout } => {
            let enabled = Some(false);
            let change = UserChange { enabled, dry_run, force_lockout, ..UserChange::default() };
            let answer = client.call::<endpoint::ChangeUser>(&[name.as_str()], &change).await?;
            changed(&name, &answer, out)
        }
        UserCommand::Enable { name, dry_run } => {
            let enabled = Some(true);
            let change = UserChange { enabled, dry_run, ..UserChange::default() };
            let answer = client.call::<endpoint::ChangeUser>(&[name.as_str()], &change).await?;
            changed(&name, &answer, out)
        }
        UserCommand::Revoke { name } => {
            let answer = client.call::<endpoint::RevokeUser>(&[name.as_str()], &()).await?;
            out.print(&answer, |answer| revoked(&name, answer))
        }
        UserCommand::Remove { name, dry_run, force_lockout } => {
            let removal = Removal { dry_run, force_lockout };
            let answer = client.call::<endpoint::RemoveUser>(&[name.as_str()], &removal).await?;
            removed(&name, &answer, out)
        }
    }
}

fn list(users: &[SubjectView], out: &Output) -> String {
    let row = |user: &SubjectView| {
        vec![named(user), on_or_off(user.enabled, out), identity(user), roles(user)]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    out.table(&["USER", "STATE", "IDENTITY", "ROLES"], &rows)
}
