//! The agent's commands, for `doorward-agent` and for `doorward agent`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use doorward_model::{Clock, DoorName, Name};
use doorward_sdk::{Renewal, Transport, renew, renew_if_due};
use serde_json::json;

use crate::client_opener::{ClientOpener, start};
use crate::connect;
use crate::enroll::{EnrollArgs, enroll};
use crate::failure::Failure;
use crate::identity::IdentityArgs;
use crate::proxy::{self, ProxyListener};
use crate::run::{self, status_socket};
use crate::signals::StopSignals;
use crate::terminal::{print, tell_terminal};

/// The agent's commands.
#[derive(Subcommand, Clone, Debug)]
pub enum AgentCommand {
    /// Redeem a code for an identity
    ///
    /// The code names the gateway and its fingerprint, so that nothing else is needed. On a
    /// terminal, the command first shows the fingerprint and asks for confirmation.
    Enroll(EnrollArgs),
    /// Offer this device's interfaces and renew its identity
    ///
    /// SIGHUP reads the file again. Interfaces that did not change in it keep their flows.
    Run {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// The file that names the offered interfaces; deploy/agent.toml explains it
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Renew the identity if two thirds of its life are over
    Renew {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Renew the identity now
        #[arg(long)]
        force: bool,
    },
    /// Show the identity, its validity, and the state of the agent that runs with it
    Status {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Open an interface on standard input and output, at a Unix socket, or at a loopback port
    ///
    /// Examples:
    ///   ssh -o ProxyCommand='doorward agent connect plc-3/ssh --stdio' plc-3
    ///   doorward agent connect thermostat/http --listen unix:/tmp/thermostat.sock
    ///   doorward agent connect thermostat/http --listen 127.0.0.1:8080 --open
    #[command(verbatim_doc_comment)]
    Connect {
        /// The interface to open
        #[arg(value_name = "DEVICE/INTERFACE")]
        interface: String,
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Ask for read access only
        #[arg(long)]
        observe: bool,
        /// Carry standard input and output (the default)
        #[arg(long, conflicts_with = "listen")]
        stdio: bool,
        /// Listen at unix:PATH (open to its owner only), or at a loopback ADDR:PORT with --open
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// Let every user and program of this machine use the port
        #[arg(long, requires = "listen")]
        open: bool,
    },
    /// Reach every interface by name through a local proxy
    ///
    /// The proxy speaks HTTP CONNECT and SOCKS 5. An interface's host name is INTERFACE--DEVICE,
    /// with or without the gateway's domain; the port does not matter. Programs authenticate with a
    /// token. The command prints it at the start and writes it to the file proxy-token in the
    /// identity directory.
    ///
    /// Example:
    ///   curl --proxy socks5h://doorward:TOKEN@127.0.0.1:1080 http://http--thermostat/
    #[command(verbatim_doc_comment)]
    Proxy {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Where to listen: a loopback ADDR:PORT, or unix:PATH (open to its owner only)
        #[arg(long, value_name = "ADDR", default_value = proxy::DEFAULT_ADDRESS)]
        listen: String,
        /// Require no token, so that every user and program of this machine can use the proxy
        #[arg(long)]
        open: bool,
    },
}

/// Runs a command.
///
/// # Errors
/// Fails when the command fails; see [`Failure`].
pub async fn run(
    command: AgentCommand,
    identity: &IdentityArgs,
    as_json: bool,
    clock: Arc<dyn Clock>,
) -> Result<(), Failure> {
    match command {
        AgentCommand::Enroll(args) => {
            let (enrolled, dir) = enroll(args, identity, &*clock).await?;
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
            let agent = status_socket::query(dir.path()).await;
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
                    "agent": agent,
                });
                return print(&answer.to_string());
            }
            let identity = [
                ("subject", facts.subject.to_string()),
                ("SPIFFE ID", id),
                ("state", state.to_owned()),
                ("good until", validity.not_after.to_string()),
                ("renewal from", validity.renewal().to_string()),
                ("gateway", facts.url.clone()),
                ("identity", dir.path().display().to_string()),
            ];
            let agent = match &agent {
                Some(view) => status_socket::lines(view),
                None => vec![("agent".to_owned(), "not running".to_owned())],
            };
            let identity = identity.into_iter().map(|(name, value)| (name.to_owned(), value));
            for (name, value) in identity.chain(agent) {
                print(&format!("{name:<13}{}", doorward_model::escape(&value)))?;
            }
            Ok(())
        }
        AgentCommand::Connect { interface, dir, observe, stdio: _, listen, open } => {
            let name = read_interface(&interface)?;
            let dir = identity.dir(dir);
            connect::run(&dir, &name, observe, listen.as_deref(), open, clock).await
        }
        AgentCommand::Run { dir, config } => run::run(&identity.dir(dir), config, clock).await,
        AgentCommand::Proxy { dir, listen, open } => {
            let dir = identity.dir(dir);
            let domain = dir.load()?.gateway().domain.clone();
            let bound = ProxyListener::bind(&listen, open)?;
            let _token = bound.keep_token(dir.path())?;
            let client = start(&dir, Transport::Auto, clock)?;
            tell_terminal(&format!("the proxy is {}", bound.shown()));
            let opener = Arc::new(ClientOpener::new(client.clone(), Vec::new()));
            bound.serve(opener, domain, StopSignals::new()?).await;
            client.stop().await;
            Ok(())
        }
    }
}

fn read_interface(text: &str) -> Result<DoorName, Failure> {
    let wrong = |why: String| Failure::Usage(format!("'{}': {why}", doorward_model::escape(text)));
    let (device, interface) = text
        .split_once('/')
        .ok_or_else(|| wrong("an interface is DEVICE/INTERFACE, such as plc-3/ssh".to_owned()))?;
    let interface: Name = interface.parse().map_err(|error| wrong(format!("{error}")))?;
    let device = device.parse().map_err(|error| wrong(format!("{error}")))?;
    Ok(DoorName { interface, device })
}
