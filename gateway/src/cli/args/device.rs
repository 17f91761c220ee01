//! The arguments of `doorward device`.

use clap::{ArgGroup, Subcommand};
use doorward_model::{Group, Name, Period, Role, Title};
use jiff::Timestamp;

use super::values::{group, instant, period, role};

#[derive(Subcommand)]
pub(crate) enum DeviceCommand {
    /// Add a device and print the code with which it enrols
    #[command(after_help = "\
Examples:\n\
\x20 doorward device add plc-3 --group plcs\n\
\x20 doorward device add sensor-7 --role sensors\n\
\x20 doorward device add camera-1 --agentless")]
    Add {
        /// The device's name
        name: Name,
        /// What people call the device, such as "John's phone"; it is shown beside the name
        #[arg(long, value_name = "TEXT")]
        title: Option<Title>,
        /// The device runs no agent and needs no code: the gateway reaches it over the network
        #[arg(long)]
        agentless: bool,
        /// Add the device to this group (may be repeated)
        #[arg(long = "group", value_name = "GROUP", value_parser = group)]
        groups: Vec<Group>,
        /// Give the device this role (may be repeated)
        #[arg(long = "role", value_name = "ROLE", value_parser = role)]
        roles: Vec<Role>,
        /// The roles end at this instant, or after this time
        #[arg(long, value_name = "TIME", value_parser = instant, requires = "roles")]
        until: Option<Timestamp>,
        /// The life of the code (default: 1h)
        #[arg(long, value_name = "TIME", value_parser = period)]
        ttl: Option<Period>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Add a device to groups and give it roles, or take them away
    ///
    /// Rules name a role for what the device itself may do with other devices, and a group for what
    /// others may do with the device.
    #[command(
        group(ArgGroup::new("change").required(true).multiple(true)
            .args(["join", "leave", "grant", "take", "title", "no_title"])),
        after_help = "\
Examples:\n\
\x20 doorward device set plc-3 --group plcs --no-group spares\n\
\x20 doorward device set sensor-7 --role sensors --until 30d"
    )]
    Set {
        /// The device's name
        name: Name,
        /// What people call the device from now on; it is shown beside the name
        #[arg(long, value_name = "TEXT")]
        title: Option<Title>,
        /// Take the title away
        #[arg(long, conflicts_with = "title")]
        no_title: bool,
        /// Add the device to this group (may be repeated)
        #[arg(long = "group", value_name = "GROUP", value_parser = group)]
        join: Vec<Group>,
        /// Remove the device from this group (may be repeated)
        #[arg(long = "no-group", value_name = "GROUP", value_parser = group)]
        leave: Vec<Group>,
        /// Give the device this role (may be repeated)
        #[arg(long = "role", value_name = "ROLE", value_parser = role)]
        grant: Vec<Role>,
        /// The roles end at this instant, or after this time
        #[arg(long, value_name = "TIME", value_parser = instant, requires = "grant")]
        until: Option<Timestamp>,
        /// Take this role away from the device (may be repeated)
        #[arg(long = "no-role", value_name = "ROLE", value_parser = role)]
        take: Vec<Role>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// List the devices
    #[command(after_help = "Example: doorward device list")]
    List,
    /// Show a device with its interfaces and certificates
    #[command(after_help = "Example: doorward device show plc-3")]
    Show {
        /// The device's name
        name: Name,
    },
    /// Print a new code for a device that must enrol again
    #[command(after_help = "Example: doorward device code plc-3 --ttl 15m")]
    Code {
        /// The device's name
        name: Name,
        /// The life of the code (default: 1h)
        #[arg(long, value_name = "TIME", value_parser = period)]
        ttl: Option<Period>,
    },
    /// Turn a device off: nobody reaches it, and it reaches nobody
    #[command(after_help = "Example: doorward device disable plc-3")]
    Disable {
        /// The device's name
        name: Name,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Turn a device on again
    #[command(after_help = "Example: doorward device enable plc-3")]
    Enable {
        /// The device's name
        name: Name,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Revoke a device's identity: all its certificates and codes
    #[command(after_help = "Example: doorward device revoke plc-3")]
    Revoke {
        /// The device's name
        name: Name,
    },
    /// Remove a device with its identity, groups, roles and interfaces
    #[command(after_help = "Example: doorward device remove plc-3")]
    Remove {
        /// The device's name
        name: Name,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
}
