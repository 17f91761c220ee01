//! The configuration: reads the file ([`raw`]), then checks every setting.

mod raw;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_ca::{Algorithm, Profile, Profiles};
use doorward_model::{Domain, Name, Scheme};
use doorward_proxy::{Networks, Paths, Twice};
use doorward_session::{Limits, MachineResources, SessionLimits, Setting, TlsVersion};
use doorward_store::{AuditSettings, StatePlace};

use crate::failure::CommandFailure;

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
        let raw = match file {
            Some(path) => raw::read(path)?,
            None => raw::ConfigFile::default(),
        };
        let shown =
            file.map_or_else(|| "the command line".into(), |path| path.display().to_string());
        Reader { file: shown }.config(raw, overrides, machine)
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

/// Checks raw values. Its errors name the file and the key.
struct Reader {
    file: String,
}

impl Reader {
    fn wrong(&self, key: &str, why: impl std::fmt::Display) -> CommandFailure {
        CommandFailure::new(format!("{}: {key}: {why}", self.file))
    }

    fn parsed<T>(&self, key: &str, text: Option<String>) -> Result<Option<T>, CommandFailure>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        text.map(|text| text.parse().map_err(|error: T::Err| self.wrong(key, error))).transpose()
    }

    fn address(
        &self,
        key: &str,
        text: Option<String>,
        usual: &str,
    ) -> Result<SocketAddr, CommandFailure> {
        let text = text.unwrap_or_else(|| usual.to_owned());
        text.parse().map_err(|_| {
            let shown = doorward_model::escape(&text).to_string();
            self.wrong(key, format!("'{shown}' is no ADDRESS:PORT, such as 192.168.1.2:8443"))
        })
    }

    fn time(&self, key: &str, text: Option<String>) -> Result<Option<Duration>, CommandFailure> {
        let read = |text: String| {
            humantime::parse_duration(&text)
                .map_err(|error| self.wrong(key, format!("{error}; write 30s, 10m, 24h or 90d")))
        };
        text.map(read).transpose()
    }

    fn all<T>(&self, key: &str, texts: Vec<String>) -> Result<Vec<T>, CommandFailure>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let read = |text: String| text.parse().map_err(|error: T::Err| self.wrong(key, error));
        texts.into_iter().map(read).collect()
    }

    fn config(
        &self,
        raw: raw::ConfigFile,
        over: Overrides,
        machine: MachineResources,
    ) -> Result<Config, CommandFailure> {
        let advertise = raw.advertise;
        if let Some(text) = &advertise {
            self.check_advertise(text)?;
        }
        let networks = self.networks(raw.dial.networks, raw.dial.named)?;
        let paths = self.paths(raw.dial.paths, over.serial)?;
        let set = raw.limits.settings();
        let limits = self.limits(raw.limits, Limits::of(machine))?;
        Ok(Config {
            data: over.data.or(raw.data).unwrap_or_else(default_data),
            domain: self.parsed("domain", over.domain.or(raw.domain))?,
            name: self.parsed("name", raw.name)?,
            listen: self.address("listen", over.listen.or(raw.listen), "[::]:8443")?,
            management: self.address(
                "management",
                over.management.or(raw.management),
                "127.0.0.1:8444",
            )?,
            advertise,
            hosts: raw.hosts,
            tls: match raw.tls.least.as_deref() {
                None | Some("1.3") => TlsVersion::Tls13,
                Some("1.2") => TlsVersion::Tls12,
                Some(_) => return Err(self.wrong("tls.least", "it is \"1.3\" or \"1.2\"")),
            },
            networks,
            paths,
            audit: self.audit(raw.audit.max_bytes, &limits)?,
            twice: match raw.agents.twice.as_deref() {
                None | Some("newest") => Twice::Newest,
                Some("neither") => Twice::Neither,
                Some(_) => {
                    return Err(self.wrong("agents.twice", "it is \"newest\" or \"neither\""));
                }
            },
            limits,
            set,
            recovery: self
                .time("certificates.recovery", raw.certificates.recovery.clone())?
                .unwrap_or(Duration::from_secs(30 * 24 * 60 * 60)),
            profiles: self.profiles(raw.certificates)?,
            key_file: raw.keys.file,
            algorithm: match raw.keys.algorithm.as_deref() {
                None | Some("p256") => Algorithm::P256,
                Some("p384") => Algorithm::P384,
                Some("ed25519") => Algorithm::Ed25519,
                Some(_) => {
                    return Err(self.wrong("keys.algorithm", "it is p256, p384 or ed25519"));
                }
            },
            keep: self.time("audit.keep", raw.audit.keep)?,
            grace: self.time("stop.grace", raw.stop.grace)?.unwrap_or(Duration::from_secs(10)),
            print_code: over.print_code,
            log: match raw.log.as_deref() {
                None | Some("text") => LogForm::Text,
                Some("json") => LogForm::Json,
                Some(_) => return Err(self.wrong("log", "it is \"text\" or \"json\"")),
            },
        })
    }

    /// Reads the networks that may be dialed, and the names of networks.
    fn networks(
        &self,
        open: Option<Vec<String>>,
        named: BTreeMap<String, Vec<String>>,
    ) -> Result<Networks, CommandFailure> {
        let open = open.unwrap_or_else(|| Networks::OPEN.map(str::to_owned).to_vec());
        let open = self.all("dial.networks", open)?;
        let mut all = Vec::with_capacity(named.len());
        for (name, networks) in named {
            let key = format!("dial.named.{}", doorward_model::escape(&name));
            let name: Name = name.parse().map_err(|error| self.wrong(&key, error))?;
            all.push((name, self.all(&key, networks)?));
        }
        Networks::new(open, all).map_err(|error| self.wrong("dial.named", error))
    }

    /// Reads the patterns of the paths that may be dialed. `lines` are further serial lines.
    fn paths(
        &self,
        mut given: BTreeMap<Scheme, Vec<String>>,
        lines: Vec<String>,
    ) -> Result<Paths, CommandFailure> {
        let mut paths = Paths::default();
        for scheme in Scheme::ALL.iter().filter(|scheme| scheme.is_local()) {
            let usual = || Paths::usual(*scheme).iter().map(|path| (*path).to_owned()).collect();
            let mut patterns = given.remove(scheme).unwrap_or_else(usual);
            if *scheme == Scheme::Serial {
                patterns.extend_from_slice(&lines);
            }
            paths = paths.with(*scheme, self.all(&format!("dial.{scheme}"), patterns)?);
        }
        Ok(paths)
    }

    fn check_advertise(&self, text: &str) -> Result<(), CommandFailure> {
        let url = format!("https://{text}");
        let uri: Option<http::Uri> = url.parse().ok();
        let sound = uri.is_some_and(|uri| {
            uri.port_u16().is_some()
                && uri.path() == "/"
                && uri.authority().is_some_and(|authority| authority.as_str() == text)
                && !text.contains('@')
        });
        if sound { Ok(()) } else { Err(self.wrong("advertise", "it is HOST:PORT")) }
    }

    fn audit(
        &self,
        max_bytes: Option<u64>,
        limits: &Limits,
    ) -> Result<AuditSettings, CommandFailure> {
        let max_bytes = max_bytes.unwrap_or(512 * 1024 * 1024);
        if max_bytes < AuditSettings::SMALLEST {
            return Err(self.wrong("audit.max-bytes", "at least 1048576"));
        }
        Ok(AuditSettings { max_bytes, open: limits.session.flows + limits.session.sessions })
    }

    fn profiles(&self, raw: raw::CertificatesSection) -> Result<Profiles, CommandFailure> {
        let usual = Profiles::default();
        let profile =
            |key: &str, text: Option<String>, usual: Profile| match self.time(key, text)? {
                Some(life) => Profile::new(life).map_err(|error| self.wrong(key, error)),
                None => Ok(usual),
            };
        Ok(Profiles {
            device: profile("certificates.device", raw.device, usual.device)?,
            user: profile("certificates.user", raw.user, usual.user)?,
            gateway: profile("certificates.gateway", raw.gateway, usual.gateway)?,
        })
    }

    fn limits(&self, raw: raw::LimitsSection, usual: Limits) -> Result<Limits, CommandFailure> {
        let count = |key: &str, given: Option<usize>, usual: usize| match given {
            Some(0) => Err(self.wrong(key, "at least 1")),
            given => Ok(given.unwrap_or(usual)),
        };
        let rate = |key: &str, given: Option<u32>, usual: u32| match given {
            Some(0) => Err(self.wrong(key, "at least 1")),
            given => Ok(given.unwrap_or(usual)),
        };
        let bytes = |key: &str, given: Option<u64>, usual: u64| match given {
            Some(few) if few < MEBIBYTE => Err(self.wrong(key, "at least 1048576")),
            given => Ok(given.unwrap_or(usual)),
        };
        let (idle, life) = (raw.idle, raw.life);
        let sessions = count("limits.sessions", raw.sessions, usual.session.sessions)?;
        let flows = count("limits.flows", raw.flows, usual.session.flows)?;
        let session = SessionLimits {
            sessions,
            sessions_per_subject: count(
                "limits.sessions-per-subject",
                raw.sessions_per_subject,
                usual.session.sessions_per_subject.min((sessions / 2).max(1)),
            )?,
            flows_per_subject: count(
                "limits.flows-per-subject",
                raw.flows_per_subject,
                usual.session.flows_per_subject.min((flows / 2).max(1)),
            )?,
            flows,
            idle: self.time("limits.idle", idle)?.unwrap_or(usual.session.idle),
            life: self.time("limits.life", life)?,
        };
        Ok(Limits {
            connections: count("limits.connections", raw.connections, usual.connections)?,
            handshakes: count("limits.handshakes", raw.handshakes, usual.handshakes)?,
            management: count("limits.management", raw.management, usual.management)?,
            handshake_rate: rate(
                "limits.handshake-rate",
                raw.handshake_rate,
                usual.handshake_rate,
            )?,
            handshake_time: self
                .time("limits.handshake-time", raw.handshake_time)?
                .unwrap_or(usual.handshake_time),
            unauthenticated_rate: rate(
                "limits.unauthenticated-rate",
                raw.unauthenticated_rate,
                usual.unauthenticated_rate,
            )?,
            files: usual.files,
            buffers: bytes("limits.buffers", raw.buffers, usual.buffers)?,
            bodies: bytes("limits.bodies", raw.bodies, usual.bodies)?,
            uploads: bytes("limits.uploads", raw.uploads, usual.uploads)?,
            session,
        })
    }
}

const MEBIBYTE: u64 = 1024 * 1024;
