//! The configuration: reads the file, and checks every setting while it reads it.

mod addresses;
mod limits;
mod ranges;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_agent::{GivenSetting, SettingPlace, SettingsError, SettingsFile, SettingsTable};
use doorward_ca::{Algorithm, Profile, Profiles};
use doorward_model::{Domain, Name, Scheme};
use doorward_proxy::{Networks, Paths, Twice};
use doorward_session::{Limits, MachineResources, Setting, TlsVersion};
use doorward_store::{AuditSettings, StatePlace};

use crate::failure::CommandFailure;

use self::ranges::{BYTES, DAY, LONGEST_GRACE, LONGEST_TIME, MEBIBYTE, SECOND};

/// The checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    /// The domain to check against the state. The default applies to the first start only.
    pub(crate) domain: Option<Domain>,
    pub(crate) name: Option<Name>,
    pub(crate) listen: SocketAddr,
    pub(crate) management: SocketAddr,
    pub(crate) advertise: Option<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) tls: TlsVersion,
    pub(crate) networks: Networks,
    pub(crate) paths: Paths,
    pub(crate) twice: Twice,
    pub(crate) limits: Limits,
    /// The limits that the operator has set.
    pub(crate) set: Vec<Setting>,
    pub(crate) profiles: Profiles,
    pub(crate) recovery: Duration,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) algorithm: Algorithm,
    pub(crate) audit: AuditSettings,
    pub(crate) keep: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) print_code: bool,
    pub(crate) log: LogForm,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogForm {
    Text,
    Json,
}

/// The settings of the command line, which override those of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) data: Option<PathBuf>,
    pub(crate) listen: Option<String>,
    pub(crate) management: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) print_code: bool,
    /// Serial lines of the demonstration, which may be dialed besides those of the file.
    pub(crate) serial: Vec<String>,
}

const DOMAIN: &str = "doorward.home.arpa";
const NAME: &str = "main";
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8443);
const MANAGEMENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);

impl Config {
    /// Returns where the state is.
    pub(crate) fn state(&self) -> StatePlace {
        StatePlace::Directory(self.data.clone())
    }
}

impl Config {
    /// Reads the file, if there is one, and applies the overrides. Limits that neither sets follow
    /// from `machine`.
    pub(crate) fn read(
        file: Option<&Path>,
        overrides: Overrides,
        machine: MachineResources,
    ) -> Result<Self, CommandFailure> {
        if overrides.data.as_ref().is_some_and(|data| data.as_os_str().is_empty()) {
            return Err(CommandFailure::new("--data: the path is empty; name a directory"));
        }
        let file = match file {
            Some(path) => SettingsFile::read(path)?,
            None => SettingsFile::default(),
        };
        Ok(Self::of(file.parse()?, overrides, Limits::of(machine))?)
    }

    fn of(
        mut file: SettingsTable<'_>,
        over: Overrides,
        usual: Limits,
    ) -> Result<Self, SettingsError> {
        let data = file.path("data")?.map(|given| given.value);
        let domain = or(over.domain, "--domain", file.text("domain")?);
        let listen = or(over.listen, "--listen", file.text("listen")?);
        let management = or(over.management, "--management", file.text("management")?);
        let (listen, management) = listeners(listen, management)?;
        let mut tls = file.table("tls")?;
        let least =
            tls.choice("least", &[("1.3", TlsVersion::Tls13), ("1.2", TlsVersion::Tls12)])?;
        tls.end()?;
        let (networks, paths) = dial(file.table("dial")?, over.serial)?;
        let mut agents = file.table("agents")?;
        let twice = agents
            .choice("twice", &[("newest", Twice::Newest), ("neither", Twice::Neither)])?
            .unwrap_or(Twice::Newest);
        agents.end()?;
        let (limits, set) = limits::read(file.table("limits")?, usual)?;
        let (profiles, recovery) = certificates(file.table("certificates")?)?;
        let (key_file, algorithm) = keys(file.table("keys")?)?;
        let (audit, keep) = audit(file.table("audit")?, &limits)?;
        let mut stop = file.table("stop")?;
        let grace = stop.time("grace", Duration::ZERO..=LONGEST_GRACE)?;
        stop.end()?;
        let config = Self {
            data: over.data.or(data).unwrap_or_else(default_data),
            domain: domain.map(|given| given.parse()).transpose()?,
            name: file.parsed("name")?,
            listen,
            management,
            advertise: file.text("advertise")?.map(addresses::advertise).transpose()?,
            hosts: each(file.texts("hosts")?.unwrap_or_default(), addresses::host)?,
            tls: least.unwrap_or(TlsVersion::Tls13),
            networks,
            paths,
            twice,
            limits,
            set,
            profiles,
            recovery,
            key_file,
            algorithm,
            audit,
            keep,
            grace: grace.unwrap_or(Duration::from_secs(10)),
            print_code: over.print_code,
            log: file
                .choice("log", &[("text", LogForm::Text), ("json", LogForm::Json)])?
                .unwrap_or(LogForm::Text),
        };
        file.end()?;
        Ok(config)
    }

    /// Returns the domain of a new gateway.
    pub(crate) fn first_domain(&self) -> Result<Domain, CommandFailure> {
        let usual = || DOMAIN.parse().map_err(|error| CommandFailure::new(format!("{error}")));
        self.domain.clone().map_or_else(usual, Ok)
    }

    /// Returns the name of a new gateway.
    pub(crate) fn first_name(&self) -> Result<Name, CommandFailure> {
        let usual = || NAME.parse().map_err(|error| CommandFailure::new(format!("{error}")));
        self.name.clone().map_or_else(usual, Ok)
    }

    /// Returns the path of the key that seals the private keys.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.data.join("sealing.key"))
    }
}

/// Returns `$XDG_DATA_HOME/doorward`, or `~/.local/share/doorward`.
pub(crate) fn default_data() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("."));
    data.join("doorward")
}

/// Returns the setting of the command line, or else that of the file.
fn or(
    over: Option<String>,
    option: &str,
    given: Option<GivenSetting<String>>,
) -> Option<GivenSetting<String>> {
    over.map(|value| GivenSetting::new(SettingPlace::new(option), value)).or(given)
}

/// Reads every entry of a list.
fn each<T>(
    given: Vec<GivenSetting<String>>,
    read: impl Fn(GivenSetting<String>) -> Result<T, SettingsError>,
) -> Result<Vec<T>, SettingsError> {
    given.into_iter().map(read).collect()
}

/// Reads the addresses of the two listeners, or takes the usual ones.
fn listeners(
    listen: Option<GivenSetting<String>>,
    management: Option<GivenSetting<String>>,
) -> Result<(SocketAddr, SocketAddr), SettingsError> {
    let data = listen.as_ref().map(addresses::address).transpose()?.unwrap_or(LISTEN);
    let administration =
        management.as_ref().map(addresses::address).transpose()?.unwrap_or(MANAGEMENT);
    match management.or(listen) {
        Some(given) if addresses::collide(data, administration) => Err(given.wrong(format!(
            "the settings listen, {data}, and management, {administration}, have the same port; \
             choose another port for one of them"
        ))),
        Some(_) | None => Ok((data, administration)),
    }
}

/// Reads what may be dialed: the networks with their names, and the patterns of paths. `lines` are
/// further serial lines.
fn dial(
    mut table: SettingsTable<'_>,
    lines: Vec<String>,
) -> Result<(Networks, Paths), SettingsError> {
    let usual = |texts: &[&str], key: &str| {
        let place = SettingPlace::new(key);
        let given = |text: &&str| GivenSetting::new(place.clone(), (*text).to_owned());
        texts.iter().map(given).collect::<Vec<_>>()
    };
    let open = table.texts("networks")?.unwrap_or_else(|| usual(&Networks::OPEN, "dial.networks"));
    let open = each(open, |given| {
        Networks::open_network(&given.value).map_err(|error| given.wrong(error))
    })?;
    let mut named = table.table("named")?;
    let mut names = Vec::new();
    for key in named.names() {
        let (place, networks) = (named.place_of(&key), named.texts(&key)?.unwrap_or_default());
        let name: Name = key.parse().map_err(|error| place.wrong(error))?;
        let networks = each(networks, |given| {
            Networks::network(&given.value).map_err(|error| given.wrong(error))
        })?;
        names.push((name, networks));
    }
    let networks = Networks::new(open, names).map_err(|error| named.place().wrong(error))?;
    let mut paths = Paths::default();
    for scheme in Scheme::ALL.iter().filter(|scheme| scheme.is_local()) {
        let key = scheme.to_string();
        let mut patterns = table.texts(&key)?.unwrap_or_else(|| usual(Paths::usual(*scheme), &key));
        if *scheme == Scheme::Serial {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            patterns.extend(usual(&lines, "--demo"));
        }
        paths = paths.with(*scheme, each(patterns, |given| given.parse())?);
    }
    table.end()?;
    Ok((networks, paths))
}

fn certificates(mut table: SettingsTable<'_>) -> Result<(Profiles, Duration), SettingsError> {
    let usual = Profiles::default();
    let mut profile = |key: &str, usual: Profile| {
        let life = table.time(key, Profile::SHORTEST..=Profile::LONGEST)?;
        let profile = life.map_or(Ok(usual), Profile::new);
        profile.map_err(|error| table.place().wrong(error))
    };
    let profiles = Profiles {
        device: profile("device", usual.device)?,
        user: profile("user", usual.user)?,
        gateway: profile("gateway", usual.gateway)?,
    };
    let recovery = table.time("recovery", Duration::ZERO..=LONGEST_TIME)?;
    table.end()?;
    Ok((profiles, recovery.unwrap_or(30 * DAY)))
}

fn keys(mut table: SettingsTable<'_>) -> Result<(Option<PathBuf>, Algorithm), SettingsError> {
    let file = table.path("file")?.map(key_file).transpose()?;
    let algorithms =
        [("p256", Algorithm::P256), ("p384", Algorithm::P384), ("ed25519", Algorithm::Ed25519)];
    let algorithm = table.choice("algorithm", &algorithms)?;
    table.end()?;
    Ok((file, algorithm.unwrap_or(Algorithm::P256)))
}

/// Checks the path of the file that seals the keys: it is a file, or nothing yet.
fn key_file(given: GivenSetting<PathBuf>) -> Result<PathBuf, SettingsError> {
    let shown = given.value.display().to_string();
    let not_a_file = || {
        given
            .wrong(format!("{shown} is not a file; name a file, such as /etc/doorward/sealing.key"))
    };
    if shown.ends_with('/') {
        return Err(not_a_file());
    }
    match std::fs::metadata(&given.value) {
        Ok(found) if !found.is_file() => return Err(not_a_file()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(given.wrong(format!("{shown}: {error}; name a file that can be read")));
        }
    }
    // The gateway writes the file by way of its directory, which a bare name does not have.
    std::path::absolute(&given.value).map_err(|error| given.wrong(error))
}

fn audit(
    mut table: SettingsTable<'_>,
    limits: &Limits,
) -> Result<(AuditSettings, Option<Duration>), SettingsError> {
    let max_bytes = table.whole("max-bytes", BYTES)?.unwrap_or(512 * MEBIBYTE);
    let keep = table.time("keep", SECOND..=LONGEST_TIME)?;
    table.end()?;
    let open = limits.session.flows + limits.session.sessions;
    Ok((AuditSettings { max_bytes, open }, keep))
}
