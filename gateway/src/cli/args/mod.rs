//! The command line: the global options and the tree of commands.

mod audit;
mod authority;
mod device;
mod interface;
mod policy;
mod serve;
mod session;
mod user;
mod values;

use clap::{Parser, Subcommand};
use doorward_agent::{AgentCommand, EnrollArgs, IdentityArgs, TWO_PROGRAMS};

pub(crate) use audit::AuditCommand;
pub(crate) use authority::CaCommand;
pub(crate) use device::DeviceCommand;
pub(crate) use interface::InterfaceCommand;
pub(crate) use policy::{PolicyCommand, PolicyQuestion, SupposedCircumstances};
pub(crate) use serve::{Recover, Serve};
pub(crate) use session::SessionCommand;
pub(crate) use user::UserCommand;
pub(crate) use values::{AskedAction, Attribute};

/// A zero-trust access gateway for devices.
///
/// A device has interfaces, such as a TCP port, a serial line or an HTTP server. Clients reach an
/// interface through Doorward only. Doorward identifies each client by a certificate that it has
/// issued, and the policy decides each connection or each operation.
#[derive(Parser)]
#[command(
    name = "doorward",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Example: doorward serve --demo"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// The URL of the gateway's management listener (default: the URL in the identity)
    #[arg(long, value_name = "URL", env = "DOORWARD_SERVER", global = true)]
    pub(crate) server: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the gateway
    #[command(after_help = "Example: doorward serve --config /etc/doorward/doorward.toml")]
    Serve(Serve),
    /// Become the owner of a new gateway with the code that it shows
    ///
    /// The code names the gateway and its fingerprint, so that nothing else is needed. On a
    /// terminal, the command first shows the fingerprint and asks for confirmation.
    #[command(after_help = "Example: doorward claim dw1.CODE")]
    Claim(EnrollArgs),
    /// Show the state of the gateway and the conditions that need attention
    #[command(after_help = "Example: doorward status --limits")]
    Status {
        /// Show each limit, its share per client or subject, and its present use
        #[arg(long)]
        limits: bool,
    },
    /// Make a new owner code, on the gateway's own machine
    #[command(after_help = "Example: doorward recover --data /var/lib/doorward")]
    Recover(Recover),
    /// Manage the gateway's clock
    #[command(after_help = "Example: doorward clock accept")]
    Clock {
        #[command(subcommand)]
        command: ClockCommand,
    },
    /// Manage devices
    #[command(subcommand, after_help = "Example: doorward device add plc-3")]
    Device(DeviceCommand),
    /// Manage users
    #[command(subcommand, after_help = "Example: doorward user add ana --role operator")]
    User(UserCommand),
    /// Manage the interfaces of devices
    #[command(
        subcommand,
        after_help = "Example: doorward interface add plc-3/ssh tcp://192.168.1.20:22"
    )]
    Interface(InterfaceCommand),
    /// Manage the policy, which says which subject may do which action
    #[command(
        subcommand,
        after_help = "Example: doorward policy explain user/ana connect plc-3/ssh"
    )]
    Policy(PolicyCommand),
    /// List and cut live sessions and flows
    #[command(subcommand, after_help = "Example: doorward session list")]
    Session(SessionCommand),
    /// Read and prune the audit log
    #[command(subcommand, after_help = "Example: doorward audit tail --follow")]
    Audit(AuditCommand),
    /// Manage the certificate authority
    #[command(subcommand, after_help = "Example: doorward ca show")]
    Ca(CaCommand),
    /// Run a command of the agent: enroll, run, renew, status, connect, proxy
    #[command(after_help = TWO_PROGRAMS)]
    Agent {
        #[command(subcommand)]
        command: AgentCommand,
    },
    /// Print a script that completes commands in a shell
    #[command(after_help = "Example: doorward completions bash > doorward.bash")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
pub(crate) enum ClockCommand {
    /// Confirm that the clock is right (not built yet)
    #[command(after_help = "Example: doorward clock accept")]
    Accept,
}
