//! The arguments of `doorward user`.

use clap::{ArgGroup, Subcommand};
use doorward_model::{Name, Period, Role, Title};
use jiff::Timestamp;

use super::values::{instant, period, role};

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user and print the code with which the user enrols
    #[command(after_help = "\
Examples:\n\
\x20 doorward user add ana --role operator\n\
\x20 doorward user add victor --role visitor --until 2h")]
    Add {
        /// The user's name
        name: Name,
        /// What people call the user, such as "John's phone"; it is shown beside the name
        #[arg(long, value_name = "TEXT")]
        title: Option<Title>,
        /// Give the user this role (may be repeated)
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
    /// Give a user roles, or take roles away
    #[command(
        group(ArgGroup::new("change").required(true).multiple(true).args(["grant", "take", "title", "no_title"])),
        after_help = "\
Examples:\n\
\x20 doorward user set ana --role operator --until 2027-01-01T18:00:00+01:00\n\
\x20 doorward user set ana --role operator --until 3d\n\
\x20 doorward user set ana --no-role operator"
    )]
    Set {
        /// The user's name
        name: Name,
        /// What people call the user from now on; it is shown beside the name
        #[arg(long, value_name = "TEXT")]
        title: Option<Title>,
        /// Take the title away
        #[arg(long, conflicts_with = "title")]
        no_title: bool,
        /// Give the user this role (may be repeated)
        #[arg(long = "role", value_name = "ROLE", value_parser = role)]
        grant: Vec<Role>,
        /// The roles end at this instant, or after this time
        #[arg(long, value_name = "TIME", value_parser = instant, requires = "grant")]
        until: Option<Timestamp>,
        /// Take this role away from the user (may be repeated)
        #[arg(long = "no-role", value_name = "ROLE", value_parser = role)]
        take: Vec<Role>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Make the change even if nobody could change the policy afterwards
        #[arg(long)]
        force_lockout: bool,
    },
    /// List the users
    #[command(after_help = "Example: doorward user list")]
    List,
    /// Show a user with the user's certificates
    #[command(after_help = "Example: doorward user show ana")]
    Show {
        /// The user's name
        name: Name,
    },
    /// Print a new code for a user who must enrol again
    #[command(after_help = "Example: doorward user code ana --ttl 15m")]
    Code {
        /// The user's name
        name: Name,
        /// The life of the code (default: 1h)
        #[arg(long, value_name = "TIME", value_parser = period)]
        ttl: Option<Period>,
    },
    /// Turn a user off: the gateway permits the user nothing
    #[command(after_help = "Example: doorward user disable ana")]
    Disable {
        /// The user's name
        name: Name,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Make the change even if nobody could change the policy afterwards
        #[arg(long)]
        force_lockout: bool,
    },
    /// Turn a user on again
    #[command(after_help = "Example: doorward user enable ana")]
    Enable {
        /// The user's name
        name: Name,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Revoke a user's identity: all the user's certificates and codes
    #[command(after_help = "Example: doorward user revoke ana")]
    Revoke {
        /// The user's name
        name: Name,
    },
    /// Remove a user
    #[command(after_help = "Example: doorward user remove ana")]
    Remove {
        /// The user's name
        name: Name,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Make the change even if nobody could change the policy afterwards
        #[arg(long)]
        force_lockout: bool,
    },
}
