//! The commands. A command sends requests to the gateway's administration or does a task on this
//! machine. No command makes an access decision.

mod args;
mod audit;
mod authority;
mod bench;
mod bundle_files;
mod client;
mod device;
mod end;
mod explain;
mod grants;
mod interface;
mod output;
mod policy;
mod preview;
mod revision;
mod serve;
mod session;
mod sets;
mod status;
mod user;

use std::process::ExitCode;

use clap::CommandFactory as _;
use doorward_agent::{arguments, enroll};

use crate::clock::SystemClock;
use crate::failure::CommandFailure;
use args::{Cli, Command};
pub(crate) use client::AdminClient;
use end::{End, not_built};
use output::Output;
pub(crate) use output::write;

/// Runs the command of the command line, and returns its exit status.
pub(crate) fn main() -> ExitCode {
    let cli: Cli = arguments();
    let json = cli.json;
    let serves = matches!(cli.command, Command::Serve(_));
    let mut builder = if serves {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&CommandFailure::new(error.to_string()), json),
    };
    let ended = runtime.block_on(run(cli));
    // A pending read of standard input cannot be cancelled and must not keep the program alive.
    runtime.shutdown_background();
    match ended {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Denied) => ExitCode::from(3),
        Ok(End::Failed) => ExitCode::FAILURE,
        Err(error) => failed(&error, json),
    }
}

/// Prints why the command has failed.
fn failed(error: &CommandFailure, json: bool) -> ExitCode {
    error.report().print("doorward", json);
    ExitCode::from(error.report().status())
}

async fn run(cli: Cli) -> Result<End, CommandFailure> {
    let Cli { identity, server, json, command } = cli;
    // An empty DOORWARD_SERVER counts as unset.
    let server = server.filter(|url| !url.is_empty());
    let out = Output::new(json);
    let client = || AdminClient::new(identity.dir(None), server.clone(), &SystemClock);
    match command {
        Command::Serve(serve) => serve::run(serve).await?,
        Command::Claim(args) => {
            let (enrolled, dir) = enroll(args, &identity, &SystemClock).await?;
            let place = dir.path().display().to_string();
            let answer = serde_json::json!({ "subject": enrolled.subject, "identity": place });
            out.print(&answer, |_| {
                format!("{} owns this gateway now; the identity is in {place}", enrolled.subject)
            })?;
        }
        Command::Status { limits } => status::run(&client(), limits, &out).await?,
        Command::Recover(recover) => serve::recover(recover, &out).await?,
        Command::Clock { .. } => return Err(not_built("clock accept")),
        Command::Device(device) => device::run(device, &client(), &out).await?,
        Command::User(user) => user::run(user, &client(), &out).await?,
        Command::Interface(interface) => interface::run(interface, &client(), &out).await?,
        Command::Policy(policy) => return policy::run(policy, &client(), &out).await,
        Command::Session(session) => session::run(session, &client(), &out).await?,
        Command::Audit(audit) => audit::run(audit, &client(), &out).await?,
        Command::Ca(ca) => authority::run(ca, &client(), &out).await?,
        Command::Agent { command } => {
            let clock = std::sync::Arc::new(SystemClock);
            doorward_agent::run(command, &identity, json, clock).await?;
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "doorward", &mut script);
            write(&script)?;
        }
    }
    Ok(End::Done)
}
