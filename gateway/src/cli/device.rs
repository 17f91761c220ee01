//! `doorward device`, and texts that `doorward user` prints as well.

use doorward_api::{
    CertificateView, ChangeAnswer, Changed, CodeRequest, DeviceAddition, DeviceChange, IssuedCode,
    Nothing, Removal, RevokedAnswer, RoleGrant, SubjectView, WarnedAnswer, endpoint,
};
use doorward_model::{Fact, Name, Period, Posture, Role, escape};
use jiff::Timestamp;

use super::args::DeviceCommand;
use super::client::{AdminClient, ended, joined, show_warnings, when, when_any};
use super::output::Output;
use super::preview;
use crate::failure::CommandFailure;

pub(crate) async fn run(
    command: DeviceCommand,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    match command {
        DeviceCommand::Add { name, title, agentless, groups, roles, until, ttl, dry_run } => {
            let ttl_seconds = ttl.map(Period::seconds);
            let addition =
                DeviceAddition { agentless, title, groups, roles, until, ttl_seconds, dry_run };
            let answer = client.call::<endpoint::AddDevice>(&[name.as_str()], &addition).await?;
            show_doubts(&answer);
            preview::print(&answer, out, |answer| match agentless {
                true => format!("device/{name} is added; the gateway fronts it"),
                false => added(&answer.value, "Run this on the device", out),
            })
        }
        DeviceCommand::Set { name, title, no_title, join, leave, grant, until, take, dry_run } => {
            let (enabled, remove_title, grant) = (None, no_title, grants(grant, until));
            let change =
                DeviceChange { enabled, title, remove_title, join, leave, grant, take, dry_run };
            let answer = client.call::<endpoint::ChangeDevice>(&[name.as_str()], &change).await?;
            changed(&name, &answer, out)
        }
        DeviceCommand::List => {
            let devices = client.list::<endpoint::ListDevices, _>().await?;
            out.print(&devices, |devices| list(devices, out))
        }
        DeviceCommand::Show { name } => {
            let device = client.call::<endpoint::ShowDevice>(&[name.as_str()], &()).await?;
            out.print(&device, |device| show(device, out))
        }
        DeviceCommand::Code { name, ttl } => {
            let request = CodeRequest { ttl_seconds: ttl.map(Period::seconds) };
            let answer = client.call::<endpoint::NewDeviceCode>(&[name.as_str()], &request).await?;
            out.print(&answer, |answer| new_code(&answer.value, out))
        }
        DeviceCommand::Disable { name, dry_run } => {
            let enabled = Some(false);
            let change = DeviceChange { enabled, dry_run, ..DeviceChange::default() };
            let answer = client.call::<endpoint::ChangeDevice>(&[name.as_str()], &change).await?;
            changed(&name, &answer, out)
        }
        DeviceCommand::Enable { name, dry_run } => {
            let enabled = Some(true);
            let change = DeviceChange { enabled, dry_run, ..DeviceChange::default() };
            let answer = client.call::<endpoint::ChangeDevice>(&[name.as_str()], &change).await?;
            changed(&name, &answer, out)
        }
        DeviceCommand::Revoke { name } => {
            let answer = client.call::<endpoint::RevokeDevice>(&[name.as_str()], &()).await?;
            out.print(&answer, |answer| revoked(&name, answer))
        }
        DeviceCommand::Remove { name, dry_run } => {
            let removal = Removal { dry_run, force_lockout: false };
            let answer = client.call::<endpoint::RemoveDevice>(&[name.as_str()], &removal).await?;
            removed(&name, &answer, out)
        }
    }
}

/// Returns roles that a subject gets, each until the same instant.
pub(crate) fn grants(roles: Vec<Role>, until: Option<Timestamp>) -> Vec<RoleGrant> {
    roles.into_iter().map(|role| RoleGrant { role, until }).collect()
}

/// Formats the name of a subject, with its title.
pub(crate) fn named(subject: &SubjectView) -> String {
    match &subject.title {
        None => subject.name.clone(),
        Some(title) => format!("{} ({title})", subject.name),
    }
}

/// Formats the roles of a subject, each with its end.
pub(crate) fn roles(subject: &SubjectView) -> String {
    joined(subject.roles.iter().map(|held| match held.until {
        None => held.role.to_string(),
        Some(until) => format!("{} (until {})", held.role, when(until)),
    }))
}

/// Formats a new subject and its code. The code has a line of its own.
pub(crate) fn added(issued: &IssuedCode, todo: &str, out: &Output) -> String {
    format!(
        "{} is added. {todo} before {}:\n\n    doorward-agent enroll CODE\n\nwith this code:\n\n{}\n",
        issued.subject,
        when_any(issued.expires),
        code(issued, out),
    )
}

/// Formats a new code on a line of its own.
pub(crate) fn new_code(issued: &IssuedCode, out: &Output) -> String {
    format!("Good until {}:\n\n{}\n", when_any(issued.expires), code(issued, out))
}

fn code(issued: &IssuedCode, out: &Output) -> String {
    out.bold(issued.code.as_deref().unwrap_or_default())
}

/// Prints the warnings about a subject that was added.
pub(crate) fn show_doubts(answer: &ChangeAnswer<IssuedCode>) {
    if let ChangeAnswer::Made(made) = answer {
        show_warnings(&made.value.warnings);
    }
}

/// Prints the outcome of a change of a device or a user.
pub(crate) fn changed(
    name: &Name,
    answer: &ChangeAnswer<WarnedAnswer>,
    out: &Output,
) -> Result<(), CommandFailure> {
    if let ChangeAnswer::Made(made) = answer {
        show_warnings(&made.value.warnings);
    }
    preview::print(answer, out, |answer| format!("{name} is changed{}", ended(answer.ended)))
}

/// Prints the outcome of the removal of a device or a user.
pub(crate) fn removed(
    name: &Name,
    answer: &ChangeAnswer<Nothing>,
    out: &Output,
) -> Result<(), CommandFailure> {
    preview::print(answer, out, |answer| format!("{name} is removed{}", ended(answer.ended)))
}

/// Describes the outcome of a revocation.
pub(crate) fn revoked(name: &Name, answer: &Changed<RevokedAnswer>) -> String {
    let count = match answer.value.revoked {
        1 => "1 certificate".to_owned(),
        count => format!("{count} certificates"),
    };
    format!("the identity of {name} is ended: {count}{}", ended(answer.ended))
}

/// Returns `on`, or `off` in red.
pub(crate) fn on_or_off(enabled: bool, out: &Output) -> String {
    if enabled { "on".to_owned() } else { out.bad("off") }
}

/// Describes how long the last certificate of a subject is valid.
pub(crate) fn identity(subject: &SubjectView) -> String {
    match subject.identity_until {
        None => "not enrolled".to_owned(),
        Some(until) => format!("until {}", when(until)),
    }
}

fn list(devices: &[SubjectView], out: &Output) -> String {
    if devices.is_empty() {
        return "no devices; add one with `doorward device add NAME`".to_owned();
    }
    let row = |device: &SubjectView| {
        let identity = match device.agentless {
            Some(true) => "agentless".to_owned(),
            Some(false) | None => identity(device),
        };
        vec![
            named(device),
            on_or_off(device.enabled, out),
            identity,
            joined(device.groups.iter().flatten()),
            roles(device),
            joined(device.interfaces.iter().flatten().map(|one| &one.name)),
        ]
    };
    let rows: Vec<_> = devices.iter().map(row).collect();
    out.table(&["DEVICE", "STATE", "IDENTITY", "GROUPS", "ROLES", "INTERFACES"], &rows)
}

fn show(device: &SubjectView, out: &Output) -> String {
    let mut lines = facts(device, out);
    lines.push(format!("groups      {}", joined(device.groups.iter().flatten())));
    lines.push(format!("roles       {}", roles(device)));
    let interfaces = device.interfaces.iter().flatten().map(|one| {
        let (url, host) = (escape(&one.url).to_string(), escape(&one.host).to_string());
        vec![one.name.to_string(), on_or_off(one.enabled, out), url, host]
    });
    let interfaces: Vec<_> = interfaces.collect();
    if !interfaces.is_empty() {
        lines.push(String::new());
        lines.push(out.table(&["INTERFACE", "STATE", "URL", "HOST NAME"], &interfaces));
    }
    lines.extend(certificates(device, out));
    lines.extend(device.posture.iter().flat_map(|posture| report(posture, out)));
    lines.join("\n")
}

/// Formats the last report of a device about itself as a table.
fn report(posture: &Posture, out: &Output) -> Vec<String> {
    let shown = |fact: &Fact| match fact {
        Fact::Text(text) => text.to_string(),
        Fact::Number(number) => number.to_string(),
        Fact::Flag(flag) => flag.to_string(),
        Fact::List(texts) => joined(texts),
    };
    let row = |(name, fact): (&String, &Fact)| vec![escape(name).to_string(), shown(fact)];
    let rows: Vec<_> = posture.report.iter().map(row).collect();
    let heading = format!("REPORTED {}", when(posture.at));
    vec![String::new(), out.table(&[&heading, ""], &rows)]
}

/// Formats the facts that devices and users have in common.
pub(crate) fn facts(subject: &SubjectView, out: &Output) -> Vec<String> {
    let title = subject.title.iter().map(|title| format!("title       {title}"));
    let mut lines = vec![out.bold(&subject.subject.to_string())];
    lines.extend(title);
    lines.extend([
        format!("number      {}", subject.id),
        format!("state       {}", on_or_off(subject.enabled, out)),
        format!("added       {}", when(subject.created)),
    ]);
    lines
}

/// Formats the certificates as a table, if there are any.
pub(crate) fn certificates(subject: &SubjectView, out: &Output) -> Vec<String> {
    let row = |one: &CertificateView| {
        let (from, until) = (when(one.not_before), when(one.not_after));
        vec![one.serial.to_string(), one.state.clone(), from, until]
    };
    let rows: Vec<_> = subject.certificates.iter().flatten().map(row).collect();
    if rows.is_empty() {
        return vec![];
    }
    vec![String::new(), out.table(&["CERTIFICATE", "STATE", "FROM", "UNTIL"], &rows)]
}
