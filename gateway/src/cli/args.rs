//! The commands and their options.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};
use doorward_agent::{AgentCommand, IdentityArgs};
use doorward_model::{Action, FlowId, Group, Name, Role, Subject};
use doorward_policies::{Attributes, Shape};
use jiff::Timestamp;

/// A zero-trust access gateway for devices.
///
/// Every interface of a device is a door: a TCP port, a Unix socket. Doorward stands at every
/// door, knows everyone by a certificate of its own, and lets a request through only when the
/// policy says so.
#[derive(Parser)]
#[command(name = "doorward", version, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// Where the gateway is administered (default: what the identity says)
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
    Serve(Serve),
    /// Make yourself the owner of a new gateway, with the code that it shows
    Claim {
        /// The code, beginning with dw1.; - reads it from standard input
        #[arg(value_name = "CODE")]
        code: String,
        /// Where to put the owner's identity (default: --identity)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Give up the identity that is there
        #[arg(long)]
        replace: bool,
    },
    /// Say how the gateway is
    #[command(after_help = "Example: doorward status --limits")]
    Status {
        /// Show how much of everything there is, for whom, and what is in use
        #[arg(long)]
        limits: bool,
    },
    /// Make a new owner code, at the gateway's own machine
    Recover(Recover),
    /// The gateway's clock
    Clock {
        #[command(subcommand)]
        command: ClockCommand,
    },
    /// Devices
    #[command(subcommand)]
    Device(DeviceCommand),
    /// People
    #[command(subcommand)]
    User(UserCommand),
    /// Interfaces of devices
    #[command(subcommand)]
    Interface(InterfaceCommand),
    /// Who may do what
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Who is here now
    #[command(subcommand)]
    Session(SessionCommand),
    /// What happened
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The certificate authority
    #[command(subcommand)]
    Ca(CaCommand),
    /// What doorward-agent does: enrol, renew, connect
    Agent {
        #[command(subcommand)]
        command: AgentCommand,
    },
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Where the state is kept (default: $XDG_DATA_HOME/doorward)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where interfaces are reached (default: [::]:8443)
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where the gateway is administered (default: 127.0.0.1:8444)
    #[arg(long, value_name = "ADDR")]
    pub(crate) management: Option<String>,
    /// DNS suffix and trust domain, fixed at first start (default: doorward.home.arpa)
    #[arg(long, value_name = "NAME")]
    pub(crate) domain: Option<String>,
    /// Print the owner's code even where no terminal shows it
    #[arg(long)]
    pub(crate) print_code: bool,
    /// Start with simulated devices, and print commands to try; everything is gone afterwards
    /// unless --data is given
    #[arg(long)]
    pub(crate) demo: bool,
}

#[derive(Args)]
pub(crate) struct Recover {
    /// The gateway's data directory (default: $XDG_DATA_HOME/doorward)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The gateway's configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the code even where no terminal shows it
    #[arg(long)]
    pub(crate) print_code: bool,
}

#[derive(Subcommand)]
pub(crate) enum ClockCommand {
    /// Say that the clock is right
    Accept,
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_argument(text).map_err(|error| error.to_string())
}

fn group(text: &str) -> Result<Group, String> {
    Group::from_argument(text).map_err(|error| error.to_string())
}

fn interface(text: &str) -> Result<String, String> {
    let wrong = || "an interface is DEVICE/NAME, such as plc-3/ssh".to_owned();
    let (device, name) = text.split_once('/').ok_or_else(wrong)?;
    for part in [device, name] {
        part.parse::<Name>().map_err(|error| error.to_string())?;
    }
    Ok(text.to_owned())
}

fn session(text: &str) -> Result<String, String> {
    text.parse::<FlowId>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 30m, 1h or 7d"))
}

fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "write RFC 3339, such as 2027-01-01T18:00:00+01:00".to_owned())
}

/// The name and the value of an attribute that the policy knows.
pub(crate) type Attribute = (String, String);

fn attribute(text: &str) -> Result<Attribute, String> {
    let wrong = || "an attribute is NAME=VALUE, such as auth-age=2h".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let one = (name.to_owned(), value.to_owned());
    let known = Attributes::try_from(BTreeMap::from([one.clone()]));
    known.map(|_| one).map_err(|error| error.to_string())
}

#[derive(Subcommand)]
pub(crate) enum DeviceCommand {
    /// Add a device, and print the code that it enrols with
    Add {
        /// Its name
        name: Name,
        /// It has no agent: the gateway fronts it, and it needs no code
        #[arg(long)]
        agentless: bool,
        /// A group that it is in
        #[arg(long = "group", value_name = "GROUP", value_parser = group)]
        groups: Vec<Group>,
        /// How long the code is good (default: 1h)
        #[arg(long, value_name = "TIME", value_parser = time)]
        ttl: Option<Duration>,
    },
    /// Put a device into groups, or take it out
    #[command(group(ArgGroup::new("change").required(true).multiple(true).args(["join", "leave"])))]
    Set {
        /// Its name
        name: Name,
        /// A group that it is in from now on
        #[arg(long = "group", value_name = "GROUP", value_parser = group)]
        join: Vec<Group>,
        /// A group that it is in no more
        #[arg(long = "no-group", value_name = "GROUP", value_parser = group)]
        leave: Vec<Group>,
    },
    /// List the devices
    List,
    /// Show a device with its interfaces and certificates
    Show {
        /// Its name
        name: Name,
    },
    /// Print a new code for a device that must enrol again
    Code {
        /// Its name
        name: Name,
        /// How long the code is good (default: 1h)
        #[arg(long, value_name = "TIME", value_parser = time)]
        ttl: Option<Duration>,
    },
    /// Turn a device off: nobody reaches it, and it reaches nobody
    Disable {
        /// Its name
        name: Name,
    },
    /// Turn a device on again
    Enable {
        /// Its name
        name: Name,
    },
    /// End a device's identity: all its certificates and codes
    Revoke {
        /// Its name
        name: Name,
    },
    /// Remove a device with all that is its own
    Remove {
        /// Its name
        name: Name,
    },
}

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add a person, and print the code that they enrol with
    Add {
        /// Their name
        name: Name,
        /// A role that they have
        #[arg(long = "role", value_name = "ROLE", value_parser = role)]
        roles: Vec<Role>,
        /// How long the code is good (default: 1h)
        #[arg(long, value_name = "TIME", value_parser = time)]
        ttl: Option<Duration>,
    },
    /// Give a person roles, or take them away
    #[command(group(ArgGroup::new("change").required(true).multiple(true).args(["grant", "take"])))]
    Set {
        /// Their name
        name: Name,
        /// A role that they have from now on
        #[arg(long = "role", value_name = "ROLE", value_parser = role)]
        grant: Vec<Role>,
        /// Until when, excluded
        #[arg(long, value_name = "TIME", value_parser = instant, requires = "grant")]
        until: Option<Timestamp>,
        /// A role that they have no more
        #[arg(long = "no-role", value_name = "ROLE", value_parser = role)]
        take: Vec<Role>,
    },
    /// List the people
    List,
    /// Show a person with their certificates
    Show {
        /// Their name
        name: Name,
    },
    /// Print a new code for a person who must enrol again
    Code {
        /// Their name
        name: Name,
        /// How long the code is good (default: 1h)
        #[arg(long, value_name = "TIME", value_parser = time)]
        ttl: Option<Duration>,
    },
    /// Keep a person out for a while
    Disable {
        /// Their name
        name: Name,
    },
    /// Let a person in again
    Enable {
        /// Their name
        name: Name,
    },
    /// End a person's identity: all their certificates and codes
    Revoke {
        /// Their name
        name: Name,
    },
    /// Remove a person
    Remove {
        /// Their name
        name: Name,
    },
}

/// What else the URL of an interface says, after its place.
const URLS: &str = "\
Where each operation is to be decided:
  http://HOST:PORT/BASE, http+agent:NAME
    body=BYTES                  the most content of a request
    rate=10/s                   the most requests (s, m, h)
    host=NAME                   what the backend is told as Host
    identity=signed             tells the backend who asks
    operand=query:KEY           decides this query parameter, as a last path segment @KEY=VALUE
    query=off                   keeps queries out of the audit log
    mask=token|password         keeps the values of these parameters out of it
    origins=https://ha.example  lets pages of these origins act here (several by |)
    keep=FIELD                  forwards this field, by which clients could claim who they are
  mqtt://HOST:PORT, mqtt+agent:NAME
    client-id=bound             or strict, off: whose a client identifier is
    response-topic=publish      or off: what a client needs to name a response topic
  modbus://HOST:PORT, modbus+serial:/dev/DEVICE?baud=9600, modbus+agent:NAME
    unit=any                    the device ignores the unit: denying one denies all
    tables=alias                its tables are views of one memory: denying an address of one
                                denies it in all
  coap://HOST:PORT, coap+agent:NAME
  All of them take audit=sync: an operation waits until it is on record.

Serial lines take baud= bits= parity= stop= flow= telnet=, and line=PATTERN for each line that
may be written. Options stand after ?, joined by &; quote the URL for the shell.";

#[derive(Subcommand)]
pub(crate) enum InterfaceCommand {
    /// Declare an interface; the policy says who reaches it
    #[command(after_help = URLS)]
    Add {
        /// DEVICE/NAME
        #[arg(value_name = "DEVICE/NAME", value_parser = interface)]
        interface: String,
        /// tcp://HOST:PORT, udp://HOST:PORT, unix:/PATH, serial:/dev/DEVICE?baud=9600,
        /// process:/PROGRAM?arg=TEXT, agent:NAME, udp+agent:NAME or serial+agent:NAME
        url: String,
        /// The network that the host is in, as the gateway's configuration calls it (default: the
        /// one that its addresses are in now)
        #[arg(long, value_name = "NAME")]
        network: Option<Name>,
    },
    /// List the interfaces
    List,
    /// Turn an interface on
    Enable {
        /// DEVICE/NAME
        #[arg(value_name = "DEVICE/NAME", value_parser = interface)]
        interface: String,
    },
    /// Turn an interface off
    Disable {
        /// DEVICE/NAME
        #[arg(value_name = "DEVICE/NAME", value_parser = interface)]
        interface: String,
    },
    /// Take the declaration back
    Remove {
        /// DEVICE/NAME
        #[arg(value_name = "DEVICE/NAME", value_parser = interface)]
        interface: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show the bundle in force
    Show {
        /// Write its files there instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Put a bundle in force: a directory, or a file that replaces policy.csv
    Apply {
        /// The bundle
        #[arg(value_name = "DIR|FILE")]
        bundle: PathBuf,
        /// Apply it even if nobody could change the policy afterwards
        #[arg(long)]
        force_lockout: bool,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        /// Why, for the history
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Undo it unless `policy confirm` follows within that time
        #[arg(long, value_name = "TIME", value_parser = time)]
        confirm_within: Option<Duration>,
    },
    /// Say whether a subject may do an action: status 0 is yes, 3 is no
    Check(PolicyQuestion),
    /// Keep the bundle that was applied with --confirm-within
    Confirm,
    /// Say why a subject may do an action, or why not, and what would change that
    Explain(PolicyQuestion),
    /// Say who may do an action
    WhoCan {
        /// connect, read, create, …
        action: Action,
        /// DEVICE/INTERFACE, or gateway/PART
        #[arg(value_name = "DEVICE/PATH")]
        resource: String,
        /// At that instant (default: now)
        #[arg(long, value_name = "TIME", value_parser = instant)]
        at: Option<Timestamp>,
        /// From that address
        #[arg(long, value_name = "ADDR")]
        from: Option<IpAddr>,
        /// With that attribute: auth-age=2h supposes a last full handshake two hours before
        #[arg(long, value_name = "K=V", value_parser = attribute)]
        attr: Option<Attribute>,
    },
    /// Say what a subject may do: on each interface, and in each part of the administration
    WhatCan {
        /// user/NAME or device/NAME
        subject: Subject,
        /// At that instant (default: now)
        #[arg(long, value_name = "TIME", value_parser = instant)]
        at: Option<Timestamp>,
    },
    /// Run a bundle's tests: those of a directory, or of the bundle in force
    Test {
        /// The bundle
        #[arg(value_name = "DIR")]
        bundle: Option<PathBuf>,
    },
    /// Look for rules that say nothing, or more than they seem to
    Lint {
        /// The bundle (default: the one in force)
        #[arg(value_name = "DIR|FILE")]
        bundle: Option<PathBuf>,
    },
    /// List the bundles that are or were in force
    History,
    /// Compare two bundles: numbers of revisions, or directories
    Diff {
        /// The one
        #[arg(value_name = "REV|DIR")]
        former: String,
        /// The other (default: the bundle in force)
        #[arg(value_name = "REV|DIR")]
        later: Option<String>,
    },
    /// Put a former bundle in force again, as a new revision
    Rollback {
        /// Its number, as `policy history` prints it
        #[arg(value_name = "REV")]
        revision: i64,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        /// Why, for the history
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Apply it even if nobody could change the policy afterwards
        #[arg(long)]
        force_lockout: bool,
    },
    /// Decide again under a bundle what is on record, and show what would differ
    Replay {
        /// The bundle
        #[arg(value_name = "DIR|FILE")]
        bundle: PathBuf,
        /// How far back
        #[arg(long, value_name = "TIME", value_parser = time, default_value = "7d")]
        since: Duration,
    },
    /// Measure decisions, here and without a gateway: on a bundle, or on made-up ones of any size
    ///
    /// With a bundle alone, its own rules are measured. With --rules alone, bundles of four shapes
    /// are made up and each is measured; the totals are those of the slowest. With both, made-up
    /// rules are added to the bundle until it has as many. Without either, the bundle in force is
    /// fetched and measured. Times are of this machine, so look at a quiet one.
    Bench {
        /// A directory, or a file with the rules
        bundle: Option<PathBuf>,
        /// How many rules
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_000_000))]
        rules: Option<u32>,
        /// Only one of the shapes spread, one-cell, ranges and many-roles
        #[arg(long, requires = "rules")]
        shape: Option<Shape>,
        /// Questions about sets instead, such as filters of MQTT, beside 10 to 100000 rules that deny
        #[arg(long, conflicts_with_all = ["bundle", "rules", "shape"])]
        sets: bool,
    },
}

/// A question to the policy.
#[derive(Args)]
pub(crate) struct PolicyQuestion {
    /// user/NAME or device/NAME
    pub(crate) subject: Subject,
    /// connect, read, create, …
    pub(crate) action: Action,
    /// DEVICE/INTERFACE, or gateway/PART
    #[arg(value_name = "DEVICE/PATH")]
    pub(crate) resource: String,
    /// At that instant (default: now)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) at: Option<Timestamp>,
    /// From that address
    #[arg(long, value_name = "ADDR")]
    pub(crate) from: Option<IpAddr>,
    /// With that attribute: auth-age=2h supposes a last full handshake two hours before
    #[arg(long, value_name = "K=V", value_parser = attribute)]
    pub(crate) attr: Option<Attribute>,
}

#[derive(Subcommand)]
pub(crate) enum SessionCommand {
    /// List the sessions with their flows
    List,
    /// Cut a session, or one flow
    Cut {
        /// Its id, as `session list` prints it
        #[arg(value_parser = session)]
        id: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the last records
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u64,
        /// Go on as more come
        #[arg(short, long)]
        follow: bool,
        /// Only that flow or request, as Doorward-Request-Id names it
        #[arg(long, value_name = "ID")]
        flow: Option<FlowId>,
    },
    /// Write all records as lines of JSON
    Export {
        /// Only those after that number
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
        /// Into a file (default: standard output)
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Delete old records, to make room
    Prune {
        /// Those before that instant
        #[arg(long, value_name = "TIME", value_parser = instant)]
        before: Timestamp,
    },
    /// Prove that nothing was edited (not built yet)
    Verify {
        /// A checkpoint
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(crate) enum CaCommand {
    /// Show the authority and its fingerprints
    Show,
    /// Print the public keys of what backends are told of who asks, as a JWK Set
    Jwks,
    /// Use an issuing authority that you already have, before the first start
    Import {
        /// The data directory of the gateway that is to be (default: $XDG_DATA_HOME/doorward)
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The gateway's configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Its certificate, PEM, with those between it and the root
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// Its private key, PEM, not encrypted
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The root's certificate, PEM
        #[arg(long, value_name = "FILE")]
        root: PathBuf,
    },
    /// Write the revocation list (not built yet)
    Crl,
    /// Change the issuing authority (not built yet)
    Rotate,
}
