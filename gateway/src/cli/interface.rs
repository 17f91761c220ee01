//! `doorward interface`.

use doorward_model::{Device, Name, escape};
use http::Method;
use serde_json::{Value, json};

use super::args::InterfaceCommand;
use super::client::{Client, ended, show_warnings, text};
use super::device::state;
use super::output::Output;
use crate::failure::Failure;

pub(crate) async fn run(
    command: InterfaceCommand,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    match command {
        InterfaceCommand::Add { interface, url, network } => {
            let path = path(&interface)?;
            let mut body = json!({ "url": url });
            if let (Some(network), Some(body)) = (network, body.as_object_mut()) {
                body.insert("network".to_owned(), json!(network));
            }
            let answer = client.request(Method::POST, &path, Some(&body)).await?;
            show_warnings(&answer);
            out.print(&answer, |answer| {
                format!(
                    "{interface} is declared; its name is {}. The policy says who reaches it.",
                    text(answer, "host")
                )
            })
        }
        InterfaceCommand::List => {
            let answer = client.get("/v1/interfaces").await?;
            out.print(&answer, |answer| list(answer, out))
        }
        InterfaceCommand::Enable { interface } => switch(&interface, true, client, out).await,
        InterfaceCommand::Disable { interface } => switch(&interface, false, client, out).await,
        InterfaceCommand::Remove { interface } => {
            let answer = client.request(Method::DELETE, &path(&interface)?, None).await?;
            out.print(&answer, |answer| format!("{interface} is removed{}", ended(answer)))
        }
    }
}

async fn switch(
    interface: &str,
    enabled: bool,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    let body = json!({ "enabled": enabled });
    let answer = client.request(Method::PATCH, &path(interface)?, Some(&body)).await?;
    let word = if enabled { "on" } else { "off" };
    out.print(&answer, |answer| format!("{interface} is {word}{}", ended(answer)))
}

fn path(interface: &str) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(format!("'{}': {why}", escape(interface)));
    let (device, name) = interface
        .split_once('/')
        .ok_or_else(|| wrong("an interface is DEVICE/NAME, such as plc-3/ssh".to_owned()))?;
    let device: Device = device.parse().map_err(|error| wrong(format!("{error}")))?;
    let name: Name = name.parse().map_err(|error| wrong(format!("{error}")))?;
    Ok(format!("/v1/interfaces/{device}/{name}"))
}

fn list(answer: &Value, out: &Output) -> String {
    answer.as_array().into_iter().flatten().for_each(show_warnings);
    let rows: Vec<Vec<String>> = answer
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let name = format!("{}/{}", text(one, "device"), text(one, "name"));
            vec![name, state(one, out), text(one, "url"), text(one, "network"), text(one, "host")]
        })
        .collect();
    if rows.is_empty() {
        return "no interfaces; declare one with `doorward interface add DEVICE/NAME URL`".into();
    }
    out.table(&["INTERFACE", "STATE", "URL", "NETWORK", "HOST NAME"], &rows)
}
