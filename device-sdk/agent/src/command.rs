use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Subcommand;
use doorward_model::{Clock, DoorName, Name};
use doorward_sdk::{Renewal, renew, renew_if_due};
use serde_json::json;

use crate::connect;
use crate::enroll::{enroll, read_code};
use crate::failure::{Failure, NOT_BUILT};
use crate::identity::IdentityArgs;

/// The agent's commands.
#[derive(Subcommand, Clone, Debug)]
pub enum AgentCommand {
    /// Redeem a code for an identity
    ///
    /// The code says where the gateway is and how to recognise it; nothing else is needed. On a
    /// terminal the gateway's fingerprint is shown first, to be compared.
    Enroll {
        /// The code, beginning with dw1.; - reads it from standard input
        #[arg(value_name = "CODE")]
        code: String,
        /// Where to put the identity (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Give up the identity that is there
        #[arg(long)]
        replace: bool,
    },
    /// Offer this device's interfaces and keep its identity fresh
    Run {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// The offered interfaces
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Renew the identity if two thirds of its life are over
    Renew {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Renew it now
        #[arg(long)]
        force: bool,
    },
    /// Say whose identity this is, and until when
    Status {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Open an interface: here, at a Unix socket, or at a loopback port
    ///
    /// Examples:
    ///   ssh -o ProxyCommand='doorward agent connect plc-3/ssh --stdio' plc-3
    ///   doorward agent connect thermostat/http --listen unix:/tmp/thermostat.sock
    ///   doorward agent connect thermostat/http --listen 127.0.0.1:8080 --open
    #[command(verbatim_doc_comment)]
    Connect {
        /// DEVICE/INTERFACE
        #[arg(value_name = "DEVICE/INTERFACE")]
        interface: String,
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Want to read only
        #[arg(long)]
        observe: bool,
        /// Carry standard input and output (the default)
        #[arg(long, conflicts_with = "listen")]
        stdio: bool,
        /// Listen at unix:PATH (its owner's alone), or at a loopback ADDR:PORT with --open
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// Let every user and program of this machine use the port
        #[arg(long, requires = "listen")]
        open: bool,
    },
    /// Reach every interface by name through a local proxy
    Proxy {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Where to listen
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// Ask for no token
        #[arg(long)]
        open: bool,
    },
}

/// Does a command.
///
/// # Errors
/// When it cannot be done; see [`Failure`].
pub async fn run(
    command: AgentCommand,
    identity: &IdentityArgs,
    as_json: bool,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    match command {
        AgentCommand::Enroll { code, dir, yes, replace } => {
            let dir = identity.dir(dir);
            let code = read_code(&code)?;
            let enrolled = enroll(&dir, &code, yes, replace, clock).await?;
            let place = dir.path().display().to_string();
            if as_json {
                print(&json!({ "subject": enrolled.subject, "identity": place }).to_string())
            } else {
                print(&format!("{} is enrolled; its identity is in {place}", enrolled.subject))
            }
        }
        AgentCommand::Renew { dir, force } => {
            let dir = identity.dir(dir);
            let renewal =
                if force { renew(&dir).await? } else { renew_if_due(&dir, clock.now()).await? };
            let (renewed, validity) = match renewal {
                Renewal::Renewed(validity) => (true, validity),
                Renewal::NotDue(validity) => (false, validity),
            };
            let (until, due) = (validity.not_after, validity.renewal());
            if as_json {
                let answer = json!({ "renewed": renewed, "not_after": until, "due": due });
                print(&answer.to_string())
            } else if renewed {
                print(&format!("renewed; good until {until}"))
            } else {
                print(&format!("not due before {due}; good until {until}"))
            }
        }
        AgentCommand::Status { dir } => {
            let dir = identity.dir(dir);
            let found = dir.load()?;
            let (id, validity, facts) = (found.spiffe_id()?, found.validity()?, found.gateway());
            let state = if clock.now() > validity.not_after { "expired" } else { "live" };
            if as_json {
                let answer = json!({
                    "subject": facts.subject,
                    "spiffe_id": id,
                    "state": state,
                    "not_before": validity.not_before,
                    "not_after": validity.not_after,
                    "renewal": validity.renewal(),
                    "gateway": facts.url,
                    "domain": facts.domain,
                    "identity": dir.path().display().to_string(),
                });
                return print(&answer.to_string());
            }
            for (name, value) in [
                ("subject", facts.subject.to_string()),
                ("SPIFFE ID", id),
                ("state", state.to_owned()),
                ("good until", validity.not_after.to_string()),
                ("renewal from", validity.renewal().to_string()),
                ("gateway", facts.url.clone()),
                ("identity", dir.path().display().to_string()),
            ] {
                print(&format!("{name:<13}{}", doorward_model::escape(&value)))?;
            }
            Ok(())
        }
        AgentCommand::Connect { interface, dir, observe, stdio: _, listen, open } => {
            if observe {
                return Err(not_built("connect --observe"));
            }
            let door = read_door(&interface)?;
            let dir = identity.dir(dir);
            connect::run(&dir, &door, listen.as_deref(), open, clock).await
        }
        AgentCommand::Run { .. } => Err(not_built("run")),
        AgentCommand::Proxy { .. } => Err(not_built("proxy")),
    }
}

fn not_built(command: &str) -> Failure {
    Failure::Usage(format!("{command} {NOT_BUILT}; `connect` opens one interface"))
}

fn read_door(text: &str) -> Result<DoorName, Failure> {
    let wrong = |why: String| Failure::Usage(format!("'{}': {why}", doorward_model::escape(text)));
    let (device, interface) = text
        .split_once('/')
        .ok_or_else(|| wrong("an interface is DEVICE/INTERFACE, such as plc-3/ssh".to_owned()))?;
    let interface: Name = interface.parse().map_err(|error| wrong(format!("{error}")))?;
    let device = device.parse().map_err(|error| wrong(format!("{error}")))?;
    Ok(DoorName { interface, device })
}

/// A line on standard output. Whoever reads it may have gone, which is no failure of ours.
fn print(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Local { what: "standard output".to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// A line for the person at the terminal, if there is one.
pub(crate) fn tell(line: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        drop(writeln!(err, "{line}"));
    }
}
