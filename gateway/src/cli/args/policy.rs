//! The arguments of `doorward policy`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use doorward_model::{Action, Period, Subject};
use doorward_policies::Shape;
use jiff::Timestamp;

use super::values::{AskedAction, Attribute, any_action, attribute, instant, past_instant, period};

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show the bundle in force
    #[command(after_help = "Example: doorward policy show --out policy")]
    Show {
        /// Write the bundle's files into this directory instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Put a bundle in force: a directory, or a file that replaces policy.csv
    #[command(after_help = "\
Examples:\n\
\x20 doorward policy apply policy --dry-run\n\
\x20 doorward policy apply policy --reason 'night shift' --confirm-within 10m")]
    Apply {
        /// The bundle
        #[arg(value_name = "DIR|FILE")]
        bundle: PathBuf,
        /// Apply the bundle even if nobody could change the policy afterwards
        #[arg(long)]
        force_lockout: bool,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// The reason, for the history
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Undo the change unless `policy confirm` follows within this time
        #[arg(long, value_name = "TIME", value_parser = period)]
        confirm_within: Option<Period>,
    },
    /// Check whether a subject may do an action; exit status 0 is yes, 3 is no
    #[command(after_help = "Example: doorward policy check user/ana connect plc-3/ssh")]
    Check(PolicyQuestion),
    /// Keep the bundle that was applied with --confirm-within
    #[command(after_help = "Example: doorward policy confirm")]
    Confirm,
    /// Explain why a subject may or may not do an action, and what would change the answer
    #[command(after_help = "\
Examples:\n\
\x20 doorward policy explain user/ana connect plc-3/ssh\n\
\x20 doorward policy explain user/ana write plc-3/modbus/1/holding/0-9 --until 2027-01-31T18:00:00Z")]
    Explain {
        #[command(flatten)]
        question: PolicyQuestion,
        /// When a rule or role that would allow it is to end (default: it does not, but a role that
        /// has ended is proposed for two hours)
        #[arg(long, value_name = "TIME", value_parser = instant)]
        until: Option<Timestamp>,
    },
    /// List what rules let subjects do with a device, an interface or a part of it
    #[command(after_help = "\
Examples:\n\
\x20 doorward policy who-can connect plc-3/ssh\n\
\x20 doorward policy who-can read plc-3/modbus/1/holding/0-9\n\
\x20 doorward policy who-can any 'plc-3/modbus/**'\n\
\x20 doorward policy who-can any plc-3")]
    WhoCan {
        /// The action: connect, read, create, …; or any
        #[arg(value_parser = any_action)]
        action: AskedAction,
        /// DEVICE, DEVICE/INTERFACE, DEVICE/PATH or DEVICE/PATTERN; gateway/PART
        #[arg(value_name = "DEVICE/PATH")]
        resource: String,
        #[command(flatten)]
        supposed: SupposedCircumstances,
    },
    /// List what rules let a subject do, as patterns
    #[command(after_help = "\
Examples:\n\
\x20 doorward policy what-can user/ana\n\
\x20 doorward policy what-can user/ana --device plc-3 --action write")]
    WhatCan {
        /// user/NAME or device/NAME
        subject: Subject,
        /// Only on this device, interface, path or pattern
        #[arg(long, value_name = "DEVICE/PATH")]
        device: Option<String>,
        /// Only this action
        #[arg(long)]
        action: Option<Action>,
        #[command(flatten)]
        supposed: SupposedCircumstances,
    },
    /// Run the tests of a bundle
    #[command(after_help = "Example: doorward policy test policy")]
    Test {
        /// The bundle (default: the bundle in force)
        #[arg(value_name = "DIR")]
        bundle: Option<PathBuf>,
    },
    /// Look for rules that have no effect, or a wider effect than they seem to have
    #[command(after_help = "Example: doorward policy lint policy")]
    Lint {
        /// The bundle (default: the bundle in force)
        #[arg(value_name = "DIR|FILE")]
        bundle: Option<PathBuf>,
    },
    /// List the bundles that are or were in force
    #[command(after_help = "Example: doorward policy history")]
    History,
    /// Compare two bundles: revision numbers, or directories
    #[command(after_help = "Examples:\n  doorward policy diff 3 4\n  doorward policy diff policy")]
    Diff {
        /// The first bundle
        #[arg(value_name = "REV|DIR")]
        former: String,
        /// The second bundle (default: the bundle in force)
        #[arg(value_name = "REV|DIR")]
        later: Option<String>,
    },
    /// Put a former bundle in force again, as a new revision
    #[command(after_help = "Example: doorward policy rollback 3 --dry-run")]
    Rollback {
        /// The number of the revision, as `policy history` prints it
        #[arg(value_name = "REV")]
        revision: i64,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// The reason, for the history
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Apply the bundle even if nobody could change the policy afterwards
        #[arg(long)]
        force_lockout: bool,
    },
    /// Decide the recorded requests again under a bundle, and show the decisions that differ
    #[command(after_help = "Example: doorward policy replay policy --since 30d")]
    Replay {
        /// The bundle
        #[arg(value_name = "DIR|FILE")]
        bundle: PathBuf,
        /// Replay the records since this instant, or of so long until now
        #[arg(long, value_name = "TIME", value_parser = past_instant, default_value = "7d")]
        since: Timestamp,
    },
    /// Measure the speed of decisions on this machine
    ///
    /// With a bundle alone, the command measures the bundle's own rules. With --rules alone, it
    /// generates bundles of four shapes and measures each; the totals are those of the slowest
    /// shape. With both, it adds generated rules to the bundle until the bundle has that many.
    /// With neither, it fetches and measures the bundle in force. The times are those of this
    /// machine, so run the command on an idle one. Apart from that fetch, it needs no gateway.
    #[command(after_help = "\
Examples:\n\
\x20 doorward policy bench policy\n\
\x20 doorward policy bench --rules 100000 --shape spread")]
    Bench {
        /// A directory, or a file with the rules
        bundle: Option<PathBuf>,
        /// The number of rules
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_000_000))]
        rules: Option<u32>,
        /// Measure only this shape: spread, one-cell, ranges or many-roles
        #[arg(long, requires = "rules")]
        shape: Option<Shape>,
        /// Measure questions about sets, such as MQTT filters, with 10 to 100000 rules that deny
        #[arg(long, conflicts_with_all = ["bundle", "rules", "shape"])]
        sets: bool,
    },
}

/// A question to the policy.
#[derive(Args)]
pub(crate) struct PolicyQuestion {
    /// user/NAME or device/NAME
    pub(crate) subject: Subject,
    /// The action: connect, read, create, …
    pub(crate) action: Action,
    /// DEVICE/INTERFACE, or gateway/PART
    #[arg(value_name = "DEVICE/PATH")]
    pub(crate) resource: String,
    #[command(flatten)]
    pub(crate) supposed: SupposedCircumstances,
}

/// How and when subjects are supposed to ask.
#[derive(Args)]
pub(crate) struct SupposedCircumstances {
    /// Suppose that the time is this instant, or so long from now (default: now, but a review lists
    /// hours as conditions)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) at: Option<Timestamp>,
    /// Suppose that the client has this address
    #[arg(long, value_name = "ADDR")]
    pub(crate) from: Option<IpAddr>,
    /// Suppose this attribute; auth-age=2h supposes a full handshake two hours ago
    #[arg(long, value_name = "K=V", value_parser = attribute)]
    pub(crate) attr: Option<Attribute>,
}
