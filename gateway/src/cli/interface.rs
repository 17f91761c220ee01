//! `doorward interface`.

use doorward_api::{InterfaceAddition, InterfaceChange, InterfaceView, endpoint};
use doorward_model::{Device, Name, escape};

use super::args::InterfaceCommand;
use super::client::{AdminClient, ended, show_warnings};
use super::device::on_or_off;
use super::output::Output;
use crate::failure::CommandFailure;

pub(crate) async fn run(
    command: InterfaceCommand,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    match command {
        InterfaceCommand::Add { interface, url, network } => {
            let (device, name) = parts(&interface)?;
            let addition = InterfaceAddition { url, network };
            let names = [device.as_str(), name.as_str()];
            let answer = client.call::<endpoint::AddInterface>(&names, &addition).await?;
            show_warnings(&answer.value.warnings);
            out.print(&answer, |answer| {
                format!(
                    "{interface} is declared; its name is {}. The policy says who reaches it.",
                    escape(&answer.value.host)
                )
            })
        }
        InterfaceCommand::List => {
            let interfaces = client.list::<endpoint::ListInterfaces, _>().await?;
            out.print(&interfaces, |interfaces| list(interfaces, out))
        }
        InterfaceCommand::Enable { interface } => switch(&interface, true, client, out).await,
        InterfaceCommand::Disable { interface } => switch(&interface, false, client, out).await,
        InterfaceCommand::Remove { interface } => {
            let (device, name) = parts(&interface)?;
            let names = [device.as_str(), name.as_str()];
            let answer = client.call::<endpoint::RemoveInterface>(&names, &()).await?;
            out.print(&answer, |answer| format!("{interface} is removed{}", ended(answer.ended)))
        }
    }
}

async fn switch(
    interface: &str,
    enabled: bool,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let (device, name) = parts(interface)?;
    let names = [device.as_str(), name.as_str()];
    let answer =
        client.call::<endpoint::ChangeInterface>(&names, &InterfaceChange { enabled }).await?;
    show_warnings(&answer.value.warnings);
    let word = if enabled { "on" } else { "off" };
    out.print(&answer, |answer| format!("{interface} is {word}{}", ended(answer.ended)))
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
