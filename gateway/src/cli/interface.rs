//! `doorward interface`.

use doorward_api::{
    ChangeAnswer, InterfaceAddition, InterfaceChange, InterfaceChanged, InterfaceView, Removal,
    endpoint,
};
use doorward_model::{Device, Name, escape};

use super::args::InterfaceCommand;
use super::client::{AdminClient, ended, show_warnings};
use super::device::on_or_off;
use super::output::Output;
use super::preview;
use crate::failure::CommandFailure;

pub(crate) async fn run(
    command: InterfaceCommand,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    match command {
        InterfaceCommand::Add { interface, url, network, dry_run } => {
            let (device, name) = parts(&interface)?;
            let addition = InterfaceAddition { url, network, dry_run };
            let names = [device.as_str(), name.as_str()];
            let answer = client.call::<endpoint::AddInterface>(&names, &addition).await?;
            if let ChangeAnswer::Made(made) = &answer {
                show_warnings(&made.value.warnings);
            }
            preview::print(&answer, out, |answer| {
                format!(
                    "{interface} is declared; its name is {}. The policy says who reaches it.",
                    escape(&answer.value.host)
                )
            })
        }
        InterfaceCommand::Set { interface, url, network, set_options, remove_options, dry_run } => {
            let enabled = None;
            let change =
                InterfaceChange { enabled, url, network, set_options, remove_options, dry_run };
            let answer = send(&interface, &change, client).await?;
            preview::print(&answer, out, |answer| {
                let url = escape(&answer.value.url);
                match answer.value.changed {
                    true => format!("{interface} leads to {url} now{}", ended(answer.ended)),
                    false => format!("{interface} leads to {url} already; nothing was changed"),
                }
            })
        }
        InterfaceCommand::List => {
            let interfaces = client.list::<endpoint::ListInterfaces, _>().await?;
            out.print(&interfaces, |interfaces| list(interfaces, out))
        }
        InterfaceCommand::Enable { interface, dry_run } => {
            switch(&interface, true, dry_run, client, out).await
        }
        InterfaceCommand::Disable { interface, dry_run } => {
            switch(&interface, false, dry_run, client, out).await
        }
        InterfaceCommand::Remove { interface, dry_run } => {
            let (device, name) = parts(&interface)?;
            let names = [device.as_str(), name.as_str()];
            let removal = Removal { dry_run, force_lockout: false };
            let answer = client.call::<endpoint::RemoveInterface>(&names, &removal).await?;
            let removed = format!("{interface} is removed");
            preview::print(&answer, out, |answer| format!("{removed}{}", ended(answer.ended)))
        }
    }
}

/// Sends a change of an interface, and shows what may have been overlooked.
async fn send(
    interface: &str,
    change: &InterfaceChange,
    client: &AdminClient<'_>,
) -> Result<ChangeAnswer<InterfaceChanged>, CommandFailure> {
    let (device, name) = parts(interface)?;
    let names = [device.as_str(), name.as_str()];
    let answer = client.call::<endpoint::ChangeInterface>(&names, change).await?;
    if let ChangeAnswer::Made(made) = &answer {
        show_warnings(&made.value.warnings);
    }
    Ok(answer)
}

async fn switch(
    interface: &str,
    enabled: bool,
    dry_run: bool,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let change = InterfaceChange { enabled: Some(enabled), dry_run, ..InterfaceChange::default() };
    let answer = send(interface, &change, client).await?;
    let word = if enabled { "on" } else { "off" };
    preview::print(&answer, out, |answer| format!("{interface} is {word}{}", ended(answer.ended)))
}

/// Splits `DEVICE/NAME`.
fn parts(interface: &str) -> Result<(String, String), CommandFailure> {
    let wrong = |why: String| CommandFailure::new(format!("'{}': {why}", escape(interface)));
    let (device, name) = interface
        .split_once('/')
        .ok_or_else(|| wrong("an interface is DEVICE/NAME, such as plc-3/ssh".to_owned()))?;
    let device: Device = device.parse().map_err(|error| wrong(format!("{error}")))?;
    let name: Name = name.parse().map_err(|error| wrong(format!("{error}")))?;
    Ok((device.to_string(), name.to_string()))
}

fn list(interfaces: &[InterfaceView], out: &Output) -> String {
    interfaces.iter().for_each(|one| show_warnings(&one.warnings));
    if interfaces.is_empty() {
        return "no interfaces; declare one with `doorward interface add DEVICE/NAME URL`".into();
    }
    let row = |one: &InterfaceView| {
        vec![
            format!("{}/{}", one.device, one.name),
            on_or_off(one.enabled, out),
            escape(&one.url).to_string(),
            one.network.as_ref().map(Name::to_string).unwrap_or_default(),
            escape(&one.host).to_string(),
        ]
    };
    let rows: Vec<_> = interfaces.iter().map(row).collect();
    out.table(&["INTERFACE", "STATE", "URL", "NETWORK", "HOST NAME"], &rows)
}
