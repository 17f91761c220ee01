//! The agent's configuration file, which names the interfaces that the device offers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_model::{Name, Target, Way, escape, escape_lines};
use doorward_sdk::Transport;
use serde::Deserialize;

use crate::failure::Failure;
use crate::serve::OfferedInterface;

/// The longest file, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// How many interfaces a gateway accepts from one device.
pub(crate) const INTERFACES: usize = 256;
/// The default interval between posture reports, and its bounds.
const POSTURE_DEFAULT: Duration = Duration::from_secs(60 * 60);
pub(crate) const POSTURE_MIN: Duration = Duration::from_secs(60);
pub(crate) const POSTURE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The checked configuration. `deploy/agent.toml` explains every setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentConfig {
    /// A file whose first line is the firmware's version.
    pub(crate) firmware: Option<PathBuf>,
    pub(crate) transport: Transport,
    pub(crate) posture_every: Duration,
    pub(crate) interfaces: BTreeMap<Name, Way>,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            firmware: None,
            transport: Transport::Auto,
            posture_every: POSTURE_DEFAULT,
            interfaces: BTreeMap::new(),
        }
    }
}

/// The file's content before it is checked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawConfig {
    firmware: Option<PathBuf>,
    transport: Option<String>,
    posture_every: Option<String>,
    interfaces: BTreeMap<String, RawInterface>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawInterface {
    url: String,
}

impl AgentConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// Fails when the file cannot be read or is wrong. The text names the file, the key and the
    /// reason.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let mut text = String::new();
        let opened = std::fs::File::open(path);
        opened
            .and_then(|file| file.take(LIMIT).read_to_string(&mut text))
            .map_err(|error| Failure::Local { what: path.display().to_string(), error })?;
        Self::parse(path, &text)
    }

    /// Parses and checks the text of a file. `path` is for error texts.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let raw: RawConfig = toml::from_str(text).map_err(|error| {
            Failure::Usage(format!("{}: {}", path.display(), escape_lines(&error.to_string())))
        })?;
        let wrong = |key: &str, why: &dyn Display| {
            Failure::Usage(format!("{}: {}: {why}", path.display(), escape(key)))
        };
        let transport = match raw.transport.as_deref() {
            None | Some("auto") => Transport::Auto,
            Some("quic") => Transport::Quic,
            Some("tls") => Transport::Tls,
            Some(other) => {
                let why = format!("'{}' is not a transport; use auto, quic or tls", escape(other));
                return Err(wrong("transport", &why));
            }
        };
        if let Some(firmware) = &raw.firmware
            && !firmware.is_absolute()
        {
            return Err(wrong(
                "firmware",
                &"the path must begin with /, such as /etc/firmware-version",
            ));
        }
        let posture_every = match raw.posture_every {
            None => POSTURE_DEFAULT,
            Some(text) => humantime::parse_duration(&text).map_err(|error| {
                wrong("posture-every", &format!("{error}; write 10m, 1h or 1d"))
            })?,
        };
        if !(POSTURE_MIN..=POSTURE_MAX).contains(&posture_every) {
            return Err(wrong("posture-every", &"use an interval from 1m to 7d"));
        }
        if raw.interfaces.len() > INTERFACES {
            let why = format!("a device offers at most {INTERFACES}");
            return Err(wrong("interfaces", &why));
        }
        let mut interfaces = BTreeMap::new();
        for (name, interface) in raw.interfaces {
            let key = format!("interfaces.{name}");
            let name: Name = name.parse().map_err(|error| wrong(&key, &error))?;
            let key = format!("{key}.url");
            let target: Target = interface.url.parse().map_err(|error| wrong(&key, &error))?;
            if !OfferedInterface::serves(target.way()) {
                let why = "an agent offers only what it dials itself: use tcp:// udp:// unix: \
                           serial: or process:";
                return Err(wrong(&key, &why));
            }
            if target.inspected().is_some() || target.lines().is_some() {
                let why = "inspection is declared at the gateway, not here; use tcp:// \
                           udp:// or serial:";
                return Err(wrong(&key, &why));
            }
            interfaces.insert(name, target.way().clone());
        }
        Ok(Self { firmware: raw.firmware, transport, posture_every, interfaces })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<AgentConfig, String> {
        AgentConfig::parse(Path::new("/etc/agent.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(parse(""), Ok(AgentConfig::default()));
    }

    #[test]
    fn the_file_that_is_shipped_reads_and_shows_the_defaults() {
        let shipped = include_str!("../../../../deploy/agent.toml");
        assert_eq!(parse(shipped), Ok(AgentConfig::default()));
        let all: String = shipped
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line).to_owned() + "\n")
            .collect();
        assert_eq!(parse(&all), Ok(AgentConfig::default()));
        let examples: String = shipped
            .lines()
            .map(|line| line.strip_prefix("#- ").unwrap_or(line).to_owned() + "\n")
            .collect();
        let examples = parse(&examples).unwrap();
        assert_eq!(examples.interfaces.len(), 5);
        assert!(examples.firmware.is_some());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("speed = 1", "speed"),
            ("transport = \"udp\"", "transport: 'udp' is not a transport; use auto, quic or tls"),
            ("firmware = \"version\"", "firmware: the path must begin with /"),
            ("posture-every = \"soon\"", "posture-every"),
            ("posture-every = \"1s\"", "posture-every: use an interval from 1m to 7d"),
            ("[interfaces.SSH]\nurl = \"tcp://h:1\"", "interfaces.SSH"),
            ("[interfaces.ssh]\nurl = \"ssh://h:1\"", "interfaces.ssh.url"),
            ("[interfaces.ssh]\nurl = \"agent:ssh\"", "interfaces.ssh.url: an agent offers"),
            ("[interfaces.ssh]\nurl = \"tcp://h:1\"\nuser = 1", "user"),
            ("[interfaces.ssh]", "url"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("/etc/agent.toml: "), "{error}");
            assert!(error.contains(says), "{text}: {error}");
        }
        let many: String =
            (0..257).map(|at| format!("[interfaces.i{at}]\nurl = \"tcp://h:1\"\n")).collect();
        assert!(parse(&many).unwrap_err().contains("at most 256"));
    }

    proptest! {
        #[test]
        fn whatever_a_setting_says_it_is_taken_or_named(
            key in "transport|firmware|posture-every|interfaces|[a-z]{0,9}", value in ".{0,40}",
        ) {
            let value = toml::Value::String(value);
            for text in [format!("{key} = {value}"), format!("[interfaces.a]\nurl = {value}")] {
                crate::fuzzing::config(text.as_bytes());
            }
        }
    }
}
