//! Where interfaces are reached, and the URLs that say so.

mod error;
mod host;
mod process;

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

pub use error::TargetError;
pub use host::Host;

use crate::name::Name;
use crate::protocol::Protocol;
use crate::serial::{LineChange, LineSettings};
use crate::text::{escape, is_printable};

/// Where an interface is reached: the URL of `doorward interface add`, parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// `tcp://HOST:PORT`
    Tcp {
        /// An address, or a name that is resolved at each dial.
        host: Host,
        /// Never 0.
        port: u16,
    },
    /// `udp://HOST:PORT`
    Udp {
        /// An address, or a name that is resolved at each dial.
        host: Host,
        /// Never 0.
        port: u16,
    },
    /// `unix:/PATH`
    Unix {
        /// Absolute, without `.` or `..`.
        path: PathBuf,
    },
    /// `serial:/dev/DEVICE?baud=9600&bits=8&parity=none&stop=1&flow=none&telnet=auto`
    Serial {
        /// Absolute, without `.` or `..`, printable.
        path: PathBuf,
        /// How the line is set while it is open.
        settings: LineSettings,
    },
    /// `process:/PROGRAM?arg=TEXT&arg=TEXT`
    Process {
        /// Absolute, without `.` or `..`, printable.
        program: PathBuf,
        /// What the program is started with: at most 64, without NUL.
        arguments: Vec<String>,
    },
    /// `agent:NAME`, `udp+agent:NAME` or `serial+agent:NAME?baud=9600`: what the device's own
    /// agent calls so.
    Agent {
        /// What is spoken with it.
        spoken: Spoken,
        /// Its name in the agent's configuration.
        name: Name,
    },
}

/// What is spoken with an agent's [`Target::Agent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spoken {
    /// A raw stream.
    Stream,
    /// Datagrams.
    Datagrams,
    /// A serial line. What is given here counts more than what the agent's own file says.
    Line(LineChange),
}

const NOT_BUILT: &[&str] = &[
    "http",
    "mqtt",
    "modbus",
    "coap",
    "modbus+serial",
    "http+agent",
    "mqtt+agent",
    "modbus+agent",
    "modbus+serial+agent",
    "coap+agent",
];

impl Target {
    /// The protocol that the target's interface speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Tcp { .. } | Self::Agent { spoken: Spoken::Stream, .. } => Protocol::Tcp,
            Self::Udp { .. } | Self::Agent { spoken: Spoken::Datagrams, .. } => Protocol::Udp,
            Self::Serial { .. } | Self::Agent { spoken: Spoken::Line(_), .. } => Protocol::Serial,
            Self::Unix { .. } => Protocol::Unix,
            Self::Process { .. } => Protocol::Process,
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let unknown = || TargetError::Scheme(text.to_owned());
        let (scheme, rest) = text.split_once(':').ok_or_else(unknown)?;
        let authority = || rest.strip_prefix("//").ok_or_else(unknown);
        match scheme {
            "tcp" => {
                host_and_port("tcp", authority()?).map(|(host, port)| Self::Tcp { host, port })
            }
            "udp" => {
                host_and_port("udp", authority()?).map(|(host, port)| Self::Udp { host, port })
            }
            "unix" => unix(rest),
            "serial" => serial(rest),
            "process" => process::parse(rest),
            "agent" => Ok(Self::Agent { spoken: Spoken::Stream, name: rest.parse()? }),
            "udp+agent" => Ok(Self::Agent { spoken: Spoken::Datagrams, name: rest.parse()? }),
            "serial+agent" => {
                let (name, change) = settings(rest)?;
                Ok(Self::Agent { spoken: Spoken::Line(change), name: name.parse()? })
            }
            other => match NOT_BUILT.iter().find(|known| **known == other) {
                Some(known) => Err(TargetError::NotBuilt(known)),
                None => Err(unknown()),
            },
        }
    }
}

fn host_and_port(scheme: &'static str, authority: &str) -> Result<(Host, u16), TargetError> {
    if let Some(at) = authority.find(['/', '?', '#', '@']) {
        let rest = authority.get(at..).unwrap_or_default().to_owned();
        return Err(TargetError::Rest { scheme, rest });
    }
    let wrong = || TargetError::Port(scheme);
    let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or_else(wrong)?;
    Ok((host.parse()?, port))
}

fn unix(text: &str) -> Result<Target, TargetError> {
    let path = absolute(text).ok_or(TargetError::Path)?;
    if path.len() > 107 {
        return Err(TargetError::PathTooLong);
    }
    Ok(Target::Unix { path: Path::new(path).components().collect() })
}

fn serial(text: &str) -> Result<Target, TargetError> {
    let (path, change) = settings(text)?;
    let path = normal(path).ok_or(TargetError::Device)?;
    Ok(Target::Serial { path, settings: change.apply(LineSettings::default()) })
}

/// What stands before a line's settings, and they.
fn settings(text: &str) -> Result<(&str, LineChange), TargetError> {
    match text.split_once('?') {
        Some((before, query)) => Ok((before, LineChange::parse(query)?)),
        None => Ok((text, LineChange::default())),
    }
}

/// A path that can be shown as it is.
fn normal(text: &str) -> Option<PathBuf> {
    let path = absolute(text).filter(|path| is_printable(path) && !path.contains('\\'))?;
    // A file has a name, and does not end in a slash.
    Path::new(path).file_name().filter(|_| !path.ends_with('/'))?;
    Some(Path::new(path).components().collect())
}

/// The path of a URL such as `unix:/PATH` or `unix:///PATH`, without `.`, `..` or NUL.
fn absolute(text: &str) -> Option<&str> {
    let path = match text.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => return None,
        None => text,
    };
    let normal = |part| matches!(part, Component::RootDir | Component::Normal(_));
    let parsed = Path::new(path);
    // `components` drops inner `.` by itself, so the spelling is compared as well.
    let dots = path.split('/').any(|part| part == "." || part == "..");
    let sound =
        parsed.is_absolute() && parsed.components().all(normal) && !dots && !path.contains('\0');
    sound.then_some(path)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Udp { host, port } => write!(f, "udp://{host}:{port}"),
            Self::Unix { path } => write!(f, "unix:{}", escape(&path.to_string_lossy())),
            Self::Serial { path, settings } => {
                write!(f, "serial:{}", path.display())?;
                query(f, &settings.to_string())
            }
            Self::Process { program, arguments } => {
                write!(f, "process:{}", program.display())?;
                for (at, argument) in arguments.iter().enumerate() {
                    let before = if at == 0 { '?' } else { '&' };
                    write!(f, "{before}arg={}", process::Encoded(argument))?;
                }
                Ok(())
            }
            Self::Agent { spoken: Spoken::Stream, name } => write!(f, "agent:{name}"),
            Self::Agent { spoken: Spoken::Datagrams, name } => write!(f, "udp+agent:{name}"),
            Self::Agent { spoken: Spoken::Line(change), name } => {
                write!(f, "serial+agent:{name}")?;
                query(f, &change.to_string())
            }
        }
    }
}

fn query(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.is_empty() { Ok(()) } else { write!(f, "?{text}") }
}

/// As it is displayed, but for the path of a Unix socket, in which anything may stand.
impl serde::Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unix { path } => s.collect_str(&format_args!("unix:{}", path.display())),
            _ => s.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::serial::{Baud, DataBits, FlowControl, Parity, StopBits, Telnet};

    #[test]
    fn reads_the_targets_that_can_be_dialed() {
        for (text, shown) in [
            ("tcp://10.0.0.7:502", "tcp://10.0.0.7:502"),
            ("tcp://[::1]:80", "tcp://[::1]:80"),
            ("tcp://[::ffff:10.0.0.7]:80", "tcp://10.0.0.7:80"),
            ("tcp://Printer.Local:9100", "tcp://printer.local:9100"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:///run/app.sock", "unix:/run/app.sock"),
            ("udp://10.0.0.7:161", "udp://10.0.0.7:161"),
            ("serial:/dev/ttyUSB0", "serial:/dev/ttyUSB0"),
            ("serial:///dev/ttyS0?baud=9600&bits=8", "serial:/dev/ttyS0"),
            ("serial:/dev/ttyS0?parity=even&baud=300", "serial:/dev/ttyS0?baud=300&parity=even"),
            ("process:/usr/bin/true", "process:/usr/bin/true"),
            (
                "process:/usr/bin/x?arg=a%20b&arg=&arg=%26",
                "process:/usr/bin/x?arg=a%20b&arg=&arg=%26",
            ),
            ("process:/usr/bin/x?arg=a=b+c&arg=%c3%a4", "process:/usr/bin/x?arg=a=b+c&arg=%C3%A4"),
            ("agent:console", "agent:console"),
            ("udp+agent:dns", "udp+agent:dns"),
            ("serial+agent:console", "serial+agent:console"),
            ("serial+agent:console?baud=9600", "serial+agent:console?baud=9600"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "10.0.0.7:502",
            "ftp://h:1",
            "tcp:h:1",
            "tcp://h",
            "tcp://h:0",
            "tcp://h:65536",
            "tcp://h:+1",
            "tcp://:80",
            "tcp://h:80/",
            "tcp://u@h:80",
            "tcp://::1:80",
            "tcp://127.1:80",
            "tcp://0x7f000001:80",
            "tcp://2130706433:80",
            "tcp://h\r\n:80",
            "unix:run/app.sock",
            "unix://run/app.sock",
            "unix:/run/../etc/app.sock",
            "unix:/run/./app.sock",
            "unix:",
            "http://h:80",
            "udp://h",
            "udp:h:1",
            "serial:ttyUSB0",
            "serial:/",
            "serial:/dev/",
            "serial://dev/ttyUSB0",
            "serial:/dev/../etc/x",
            "serial:/dev/tty\u{7}",
            "serial:/dev/ttyUSB0?",
            "serial:/dev/ttyUSB0?speed=9600",
            "process:true",
            "process:/",
            "process:/usr/bin/../bin/true",
            "process:/usr/bin/true?",
            "process:/usr/bin/true?a",
            "process:/usr/bin/true?arg=%",
            "process:/usr/bin/true?arg=%zz",
            "process:/usr/bin/true?arg=%00",
            "process:/usr/bin/true?arg=%ff",
            "agent:",
            "agent://console",
            "agent:Console",
            "agent:console?baud=9600",
            "udp+agent:console?x",
            "serial+agent:console?",
            "serial+agent:console?baud=x",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        for scheme in NOT_BUILT {
            let parsed = format!("{scheme}:x").parse::<Target>();
            assert_eq!(parsed, Err(TargetError::NotBuilt(scheme)));
        }
        let long = format!("unix:/{}", "a".repeat(107));
        assert_eq!(long.parse::<Target>(), Err(TargetError::PathTooLong));
    }

    #[test]
    fn a_programs_arguments_are_bounded() {
        let of = |arguments: &[String]| {
            let all: Vec<String> = arguments.iter().map(|one| format!("arg={one}")).collect();
            format!("process:/bin/x?{}", all.join("&")).parse::<Target>()
        };
        assert!(of(&vec![String::new(); 64]).is_ok());
        assert_eq!(of(&vec![String::new(); 65]), Err(TargetError::TooManyArguments));
        let room = 4096 - "/bin/x".len() - 1;
        assert!(of(&["a".repeat(room)]).is_ok());
        assert_eq!(of(&["a".repeat(room + 1)]), Err(TargetError::TooLong));
    }

    #[test]
    fn every_target_says_what_is_spoken() {
        for (text, protocol) in [
            ("tcp://h:1", Protocol::Tcp),
            ("udp://h:1", Protocol::Udp),
            ("unix:/a", Protocol::Unix),
            ("serial:/dev/a", Protocol::Serial),
            ("process:/a", Protocol::Process),
            ("agent:a", Protocol::Tcp),
            ("udp+agent:a", Protocol::Udp),
            ("serial+agent:a", Protocol::Serial),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().protocol(), protocol, "{text}");
        }
    }

    fn host() -> impl Strategy<Value = Host> {
        prop_oneof![
            any::<std::net::IpAddr>().prop_map(|address| Host::Address(address.to_canonical())),
            "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,8})?".prop_map(Host::Name),
        ]
    }

    fn change() -> impl Strategy<Value = LineChange> {
        let baud = prop::option::of((1..=Baud::LIMIT).prop_map(|rate| Baud::new(rate).unwrap()));
        let bits = [DataBits::Five, DataBits::Six, DataBits::Seven, DataBits::Eight];
        let flow = [FlowControl::None, FlowControl::Software, FlowControl::Hardware];
        let parity = [Parity::None, Parity::Odd, Parity::Even];
        let telnet = [Telnet::Auto, Telnet::On, Telnet::Off];
        let of = prop::option::of::<prop::sample::Select<DataBits>>;
        (
            baud,
            of(prop::sample::select(bits.to_vec())),
            prop::option::of(prop::sample::select(parity.to_vec())),
            prop::option::of(prop::sample::select(vec![StopBits::One, StopBits::Two])),
            prop::option::of(prop::sample::select(flow.to_vec())),
            prop::option::of(prop::sample::select(telnet.to_vec())),
        )
            .prop_map(|(baud, bits, parity, stop, flow, telnet)| LineChange {
                baud,
                bits,
                parity,
                stop,
                flow,
                telnet,
            })
    }

    fn path() -> impl Strategy<Value = PathBuf> {
        "(/[a-zA-Z0-9_%& +:é-]{1,10}){1,3}".prop_map(PathBuf::from)
    }

    fn target() -> impl Strategy<Value = Target> {
        let port = 1..=u16::MAX;
        let argument = any::<String>().prop_map(|text| text.replace('\0', ""));
        let spoken = prop_oneof![
            Just(Spoken::Stream),
            Just(Spoken::Datagrams),
            change().prop_map(Spoken::Line),
        ];
        prop_oneof![
            (host(), port.clone()).prop_map(|(host, port)| Target::Tcp { host, port }),
            (host(), port).prop_map(|(host, port)| Target::Udp { host, port }),
            path().prop_map(|path| Target::Unix { path }),
            (path(), change()).prop_map(|(path, change)| Target::Serial {
                path,
                settings: change.apply(LineSettings::default()),
            }),
            (path(), prop::collection::vec(argument, 0..5))
                .prop_map(|(program, arguments)| Target::Process { program, arguments }),
            (spoken, "[a-f]{1,20}")
                .prop_map(|(spoken, name)| Target::Agent { spoken, name: name.parse().unwrap() }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(target in target()) {
            let shown = target.to_string();
            prop_assert!(is_printable(&shown));
            prop_assert_eq!(shown.parse::<Target>(), Ok(target));
        }

        #[test]
        fn whatever_is_written_is_read_or_refused(
            scheme in prop::sample::select(vec![
                "", "tcp://", "udp://", "unix:", "serial:", "process:", "process:/x?arg=", "agent:",
                "serial:/dev/x?", "serial+agent:a?", "serial:/dev/x?baud=", "http:",
            ]),
            rest in any::<String>(),
        ) {
            if let Ok(target) = format!("{scheme}{rest}").parse::<Target>() {
                // What is kept is what Serialize writes.
                let kept = match &target {
                    Target::Unix { path } => format!("unix:{}", path.display()),
                    other => other.to_string(),
                };
                prop_assert_eq!(kept.parse::<Target>(), Ok(target));
            }
        }
    }
}
