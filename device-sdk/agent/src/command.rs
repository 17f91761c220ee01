//! The agent's commands, for `doorward-agent` and for `doorward agent`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use doorward_model::Clock;
use doorward_sdk::{Renewal, renew, renew_if_due};
use serde_json::json;

use crate::connect::ConnectArgs;
use crate::enroll::{EnrollArgs, enroll};
use crate::failure::Failure;
use crate::identity::IdentityArgs;
use crate::proxy::ProxyArgs;
use crate::run::run as run_agent;
use crate::status;
use crate::terminal::print;

/// What the two programs that have the agent's commands are, for the help of both.
pub const TWO_PROGRAMS: &str = "\
doorward-agent COMMAND  is the agent alone, for devices and for people who connect
doorward agent COMMAND  is the same, in the gateway's program

Example: doorward-agent connect plc-3/modbus --listen unix:/tmp/plc.sock";

/// The agent's commands.
#[derive(Subcommand, Clone, Debug)]
pub enum AgentCommand {
    /// Redeem a code for an identity
    ///
    /// The code names the gateway and its fingerprint, so that nothing else is needed. On a
    /// terminal, the command first shows the fingerprint and asks for confirmation.
    #[command(after_help = "Example: doorward-agent enroll dw1.enrol.CODE")]
    Enroll(EnrollArgs),
    /// Offer this device's interfaces and renew its identity
    ///
    /// SIGHUP reads the file again. Interfaces that did not change in it keep their flows.
    #[command(after_help = "Example: doorward-agent run --config agent.toml")]
    Run {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// The file that names the offered interfaces; deploy/agent.toml explains it
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Renew the identity if two thirds of its life are over
    #[command(after_help = "Example: doorward-agent renew --force")]
    Renew {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Renew the identity now
        #[arg(long)]
        force: bool,
    },
    /// Show the identity, whether it is accepted, and the state of the agent that runs with it
    ///
    /// Ends with status 1 if the identity has expired, or if the gateway does not accept it: it is
    /// revoked or disabled. If the gateway is not reached, only the validity counts.
    #[command(after_help = "Example: doorward-agent status --json")]
    Status {
        /// The identity directory (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Open an interface on standard input and output, at a Unix socket, or at a loopback port
    ///
    /// With --listen, the command first asks the gateway whether the interface may be reached. It
    /// says where it listens, and each flow that is refused or cut. It ends when the gateway does
    /// not accept the identity any more, or refuses a flow and waiting would not help.
    ///
    /// Examples:
    ///   doorward-agent connect camera/console
    ///   doorward-agent connect plc-3/modbus --listen unix:/tmp/plc.sock
    ///   doorward-agent connect thermostat/web --listen 127.0.0.1:8080 --open
    ///   ssh -o ProxyCommand='doorward-agent connect plc-3/ssh --stdio' admin@plc-3
    #[command(verbatim_doc_comment)]
    Connect(ConnectArgs),
    /// Reach every interface by name through a local proxy
    ///
    /// The proxy speaks HTTP CONNECT and SOCKS 5. An interface's host name is INTERFACE--DEVICE,
    /// with or without the gateway's domain; the port does not matter. Programs authenticate with a
    /// token. The command prints it on a terminal and writes it to the file proxy-token in the
    /// identity directory. It says each flow that is refused or cut, and ends when the gateway does
    /// not accept the identity any more.
    ///
    /// Example:
    ///   curl --proxy socks5h://doorward:TOKEN@127.0.0.1:1080 http://web--thermostat/
    #[command(verbatim_doc_comment)]
    Proxy(ProxyArgs),
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
        AgentCommand::Status { dir } => status::run(&identity.dir(dir), as_json, &*clock).await,
        AgentCommand::Connect(args) => {
            let dir = identity.dir(args.dir.clone());
            args.run(&dir, as_json, clock).await
        }
        AgentCommand::Run { dir, config } => run_agent(&identity.dir(dir), config, clock).await,
        AgentCommand::Proxy(args) => {
            let dir = identity.dir(args.dir.clone());
            args.run(&dir, as_json, clock).await
        }
    }
}
