//! The agent's configuration file, which names the interfaces that the device offers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_model::{Name, Target, Way};
use doorward_sdk::Transport;

use crate::failure::Failure;
use crate::serve::OfferedInterface;
use crate::settings::{SettingsError, SettingsFile, SettingsTable};

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

impl AgentConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// Fails when the file cannot be read or is wrong. The text names the file, the key and the
    /// reason.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        Ok(Self::of(&SettingsFile::read(path)?)?)
    }

    /// Parses and checks the text of a file.
    pub(crate) fn of(file: &SettingsFile) -> Result<Self, SettingsError> {
        let mut top = file.parse()?;
        let firmware = top.path("firmware")?;
        if let Some(firmware) = &firmware
            && !firmware.value.is_absolute()
        {
            let why = "the path must begin with /, such as /etc/firmware-version";
            return Err(firmware.wrong(why));
        }
        let transports =
            [("auto", Transport::Auto), ("quic", Transport::Quic), ("tls", Transport::Tls)];
        let transport = top.choice("transport", &transports)?.unwrap_or(Transport::Auto);
        let posture_every =
            top.time("posture-every", POSTURE_MIN..=POSTURE_MAX)?.unwrap_or(POSTURE_DEFAULT);
        let interfaces = offered(top.table("interfaces")?)?;
        top.end()?;
        let firmware = firmware.map(|given| given.value);
        Ok(Self { firmware, transport, posture_every, interfaces })
    }
}

/// Reads the interfaces that the device offers.
fn offered(mut table: SettingsTable<'_>) -> Result<BTreeMap<Name, Way>, SettingsError> {
    let names = table.names();
    if names.len() > INTERFACES {
        return Err(table.place().wrong(format!("a device offers at most {INTERFACES}")));
    }
    let mut interfaces = BTreeMap::new();
    for name in names {
        let mut interface = table.table(&name)?;
        let name: Name = name.parse().map_err(|error| interface.place().wrong(error))?;
        let Some(url) = interface.text("url")? else {
            let why = "the interface has no url; write one, such as url = \"tcp://127.0.0.1:22\"";
            return Err(interface.place().wrong(why));
        };
        let target: Target = url.parse()?;
        if !OfferedInterface::serves(target.way()) {
            let why = "an agent offers only what it dials itself: use tcp:// udp:// unix: \
                       serial: or process:";
            return Err(url.wrong(why));
        }
        if target.inspected().is_some() || target.lines().is_some() {
            let why = "inspection is declared at the gateway, not here; use tcp:// \
                       udp:// or serial:";
            return Err(url.wrong(why));
        }
        interface.end()?;
        interfaces.insert(name, target.way().clone());
    }
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<AgentConfig, String> {
        let file = SettingsFile::new(Path::new("/etc/agent.toml"), text);
        AgentConfig::of(&file).map_err(|error| error.to_string())
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
            (
                "transport = \"udp\"",
                "found the text \"udp\"; write \"auto\" or \"quic\" or \"tls\"",
            ),
            ("transport = 5", "line 1: transport: found the number 5; write \"auto\" or"),
            ("firmware = \"\"", "firmware: found the text \"\"; write a path"),
            ("firmware = \"version\"", "firmware: the path must begin with /"),
            ("posture-every = \"soon\"", "posture-every"),
            ("posture-every = \"1s\"", "write a time in quotes, from \"1m\" to \"7d\""),
            ("posture-every = \"584542046090y\"", "from \"1m\" to \"7d\""),
            ("interfaces = 5", "interfaces: found the number 5; write a table [interfaces]"),
            ("[interfaces]\nssh = 7", "interfaces.ssh: found the number 7; write a table"),
            ("[interfaces.ssh]\nurl = 7", "line 2: interfaces.ssh.url: found the number 7"),
            ("\ntransport = tls", "line 2: this is not TOML"),
            ("[interfaces.SSH]\nurl = \"tcp://h:1\"", "interfaces.SSH"),
            ("[interfaces.ssh]\nurl = \"ssh://h:1\"", "interfaces.ssh.url"),
            ("[interfaces.ssh]\nurl = \"agent:ssh\"", "interfaces.ssh.url: an agent offers"),
            ("[interfaces.ssh]\nurl = \"tcp://h:1\"\nuser = 1", "user"),
            ("[interfaces.ssh]", "interfaces.ssh: the interface has no url; write one"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("/etc/agent.toml, line "), "{error}");
            assert!(doorward_model::is_printable(&error), "one line: {error}");
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
