//! The arguments of `doorward interface`.

use clap::{ArgGroup, Subcommand};
use doorward_model::{Name, Target};

use super::values::interface;

/// The options of each scheme, printed after the arguments of `doorward interface add`.
const URL_OPTIONS: &str = "\
Options of the URLs whose operations the policy decides:
  http://HOST:PORT/BASE, http+agent:NAME
    body=BYTES                  the longest body of a request
    rate=10/s                   the most requests (s, m, h)
    host=NAME                   the Host field that the backend receives
    identity=signed             sends the backend a signed token that names the client
    operand=query:KEY           the policy decides this query parameter, as a last path segment
                                @KEY=VALUE
    paths=exact                 the device reads each path as it is written: rules that deny a path
                                do not deny other spellings of it
    query=off                   the audit log records no queries
    mask=token|password         the audit log hides the values of these query parameters
    origins=https://ha.example  pages of these origins may send requests here (several by |)
    keep=FIELD                  forwards this field, which Doorward otherwise removes because a
                                client could use it to claim an identity (several by |)
  mqtt://HOST:PORT, mqtt+agent:NAME
    client-id=bound             or strict, off: which client identifiers a subject may use
    response-topic=publish      or off: the right that a client needs to set a response topic
  modbus://HOST:PORT, modbus+agent:NAME,
  modbus+serial:/dev/DEVICE?baud=9600, modbus+serial+agent:NAME?baud=9600
    unit=any                    the device ignores the unit, so a rule that denies one unit
                                denies all
    tables=alias                the device's tables share one memory, so a rule that denies an
                                address in one table denies it in all
  All of them take audit=sync: an operation waits until its audit record is on disk.

Serial lines take baud= bits= parity= stop= flow= telnet=, and line=PATTERN for each line that a
client may write. Options stand after ? and are joined by &; quote the URL for the shell.";

/// An interface and its URL for each scheme, printed as examples.
const EXAMPLES: &[(&str, &str)] = &[
    ("plc-3/ssh", "tcp://192.168.1.20:22"),
    ("plc-3/log", "udp://192.168.1.20:514"),
    ("nas/db", "unix:/run/postgresql/.s.PGSQL.5432"),
    ("plc-6/console", "serial:/dev/ttyUSB0?baud=115200"),
    ("nas/disks", "process:/usr/bin/lsblk"),
    ("plc-9/shell", "agent:shell"),
    ("plc-9/log", "udp+agent:log"),
    ("plc-9/console", "serial+agent:console?baud=9600"),
    ("lamp/web", "http://192.168.1.9:80?body=65536&rate=10/s"),
    ("cam/web", "http+agent:web"),
    ("hub/mqtt", "mqtt://192.168.1.5:1883"),
    ("hub-2/mqtt", "mqtt+agent:broker"),
    ("plc-3/modbus", "modbus://192.168.1.20:502"),
    ("plc-6/modbus", "modbus+serial:/dev/ttyS1?baud=9600"),
    ("plc-7/modbus", "modbus+agent:plc"),
    ("plc-9/modbus", "modbus+serial+agent:line?baud=9600"),
    ("meter/coap", "coap://192.168.1.40:5683"),
    ("meter-2/coap", "coap+agent:coap"),
];

/// Returns what is printed after the arguments of `doorward interface add`: the URLs, and their
/// options.
fn url_help() -> String {
    let list = |forms: Vec<String>| forms.into_iter().map(|form| format!("  {form}\n")).collect();
    let raw: String = list(Target::raw_forms().collect());
    let inspected: String = list(Target::inspected_forms().collect());
    format!(
        "URLs whose connections the policy decides:\n{raw}\n\
         URLs whose operations the policy decides:\n{inspected}\n{URL_OPTIONS}\n\nExamples:\n{}",
        examples()
    )
}

/// Returns a command for each example. A URL that means something to the shell is quoted.
fn examples() -> String {
    let command = |(interface, url): &(&str, &str)| match url.contains(['?', '&']) {
        true => format!("  doorward interface add {interface} '{url}'"),
        false => format!("  doorward interface add {interface} {url}"),
    };
    EXAMPLES.iter().map(command).collect::<Vec<_>>().join("\n")
}

#[derive(Subcommand)]
pub(crate) enum InterfaceCommand {
    /// Declare an interface; the policy says who may reach it
    #[command(after_help = url_help())]
    Add {
        /// The device, and the new interface's name
        #[arg(value_name = "DEVICE/NAME", value_parser = interface)]
        interface: String,
        /// Where the interface is reached, and what the policy decides there: one of the URLs
        /// below
        url: String,
        /// The network that the host is in, as the gateway's configuration names it (default: the
        /// network that contains the host's present addresses)
        #[arg(long, value_name = "NAME")]
        network: Option<Name>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Change the URL, the network or single options of an interface
    ///
    /// The interface keeps its name, so rules go on to apply to it, and it stays on or off. Like
    /// `interface add`, this needs the right to create the interface and to declare interfaces in
    /// the network. When the URL or the network changes, all live flows at the interface end; when
    /// nothing changes, none does.
    #[command(
        override_usage = "doorward interface set [OPTIONS] <DEVICE/NAME> [URL]",
        group(ArgGroup::new("change").required(true).multiple(true)
            .args(["url", "network", "set_options", "remove_options"])),
        after_help = "\
Examples:\n\
\x20 doorward interface set plc-3/ssh tcp://192.168.1.21:22\n\
\x20 doorward interface set lamp/web --option rate=5/s --no-option body\n\
`doorward interface add --help` lists the URLs and their options."
    )]
    Set {
        /// The device and the interface
        #[arg(value_name = "DEVICE/NAME", value_parser = interface)]
        interface: String,
        /// The new URL (default: the present one)
        url: Option<String>,
        /// The network that the host is in (default: the present one or, for another host, the
        /// network that contains its addresses)
        #[arg(long, value_name = "NAME")]
        network: Option<Name>,
        /// Set this option of the URL; the values that it has go (may be repeated)
        #[arg(long = "option", value_name = "KEY=VALUE")]
        set_options: Vec<String>,
        /// Remove this option from the URL (may be repeated)
        #[arg(long = "no-option", value_name = "KEY")]
        remove_options: Vec<String>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// List the interfaces
    #[command(after_help = "Example: doorward interface list")]
    List,
    /// Turn an interface on
    #[command(after_help = "Example: doorward interface enable plc-3/ssh")]
    Enable {
        /// The device and the interface
        #[arg(value_name = "DEVICE/NAME", value_parser = interface)]
        interface: String,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Turn an interface off
    #[command(after_help = "Example: doorward interface disable plc-3/ssh")]
    Disable {
        /// The device and the interface
        #[arg(value_name = "DEVICE/NAME", value_parser = interface)]
        interface: String,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove the declaration of an interface
    #[command(after_help = "Example: doorward interface remove plc-3/ssh")]
    Remove {
        /// The device and the interface
        #[arg(value_name = "DEVICE/NAME", value_parser = interface)]
        interface: String,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_an_example_that_can_be_declared() {
        for (name, url) in EXAMPLES {
            assert!(interface(name).is_ok(), "{name}");
            assert!(url.parse::<Target>().is_ok(), "{url}");
        }
        let scheme = |url: &str| url.split(':').next().unwrap_or_default().to_owned();
        for form in Target::raw_forms().chain(Target::inspected_forms()) {
            let shown = EXAMPLES.iter().any(|(_, url)| scheme(url) == scheme(&form));
            assert!(shown, "{form} has no example");
        }
    }
}
