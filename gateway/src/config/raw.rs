//! The unchecked content of the configuration file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use doorward_model::Scheme;
use doorward_session::Setting;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::failure::CommandFailure;

/// The unchecked content of the file. `deploy/doorward.toml` explains every setting.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct ConfigFile {
    pub(super) data: Option<PathBuf>,
    pub(super) domain: Option<String>,
    pub(super) name: Option<String>,
    pub(super) listen: Option<String>,
    pub(super) management: Option<String>,
    pub(super) advertise: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) log: Option<String>,
    pub(super) tls: TlsSection,
    pub(super) dial: DialSection,
    pub(super) agents: AgentsSection,
    pub(super) limits: LimitsSection,
    pub(super) certificates: CertificatesSection,
    pub(super) keys: KeysSection,
    pub(super) audit: AuditSection,
    pub(super) stop: StopSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct TlsSection {
    pub(super) least: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct DialSection {
    pub(super) networks: Option<Vec<String>>,
    pub(super) named: BTreeMap<String, Vec<String>>,
    /// The patterns of paths, by the scheme of the interfaces that lead there.
    pub(super) paths: BTreeMap<Scheme, Vec<String>>,
}

impl<'de> Deserialize<'de> for DialSection {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(DialVisitor)
    }
}

struct DialVisitor;

impl<'de> Visitor<'de> for DialVisitor {
    type Value = DialSection;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DialSection, A::Error> {
        let mut section = DialSection::default();
        while let Some(key) = map.next_key::<String>()? {
            match (key.as_str(), Scheme::named(&key).filter(|scheme| scheme.is_local())) {
                ("networks", _) => section.networks = Some(map.next_value()?),
                ("named", _) => section.named = map.next_value()?,
                (_, Some(scheme)) => drop(section.paths.insert(scheme, map.next_value()?)),
                (_, None) => {
                    let local = Scheme::ALL.iter().filter(|scheme| scheme.is_local());
                    let known: String = local.map(|scheme| format!(", `{scheme}`")).collect();
                    return Err(A::Error::custom(format!(
                        "unknown field `{key}`, expected one of `networks`, `named`{known}"
                    )));
                }
            }
        }
        Ok(section)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct AgentsSection {
    pub(super) twice: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct LimitsSection {
    pub(super) connections: Option<usize>,
    pub(super) handshakes: Option<usize>,
    pub(super) management: Option<usize>,
    pub(super) handshake_rate: Option<u32>,
    pub(super) handshake_time: Option<String>,
    pub(super) unauthenticated_rate: Option<u32>,
    pub(super) buffers: Option<u64>,
    pub(super) bodies: Option<u64>,
    pub(super) uploads: Option<u64>,
    pub(super) sessions: Option<usize>,
    pub(super) sessions_per_subject: Option<usize>,
    pub(super) flows_per_subject: Option<usize>,
    pub(super) flows: Option<usize>,
    pub(super) idle: Option<String>,
    pub(super) life: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct CertificatesSection {
    pub(super) device: Option<String>,
    pub(super) user: Option<String>,
    pub(super) gateway: Option<String>,
    pub(super) recovery: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct KeysSection {
    pub(super) file: Option<PathBuf>,
    pub(super) algorithm: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct AuditSection {
    pub(super) max_bytes: Option<u64>,
    pub(super) keep: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct StopSection {
    pub(super) grace: Option<String>,
}

impl LimitsSection {
    /// Returns the limits that the file sets.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let all = [
            (Setting::Connections, self.connections.is_some()),
            (Setting::Handshakes, self.handshakes.is_some()),
            (Setting::Management, self.management.is_some()),
            (Setting::HandshakeRate, self.handshake_rate.is_some()),
            (Setting::UnauthenticatedRate, self.unauthenticated_rate.is_some()),
            (Setting::Buffers, self.buffers.is_some()),
            (Setting::Bodies, self.bodies.is_some()),
            (Setting::Uploads, self.uploads.is_some()),
            (Setting::Sessions, self.sessions.is_some()),
            (Setting::Flows, self.flows.is_some()),
        ];
        all.into_iter().filter_map(|(setting, is_set)| is_set.then_some(setting)).collect()
    }
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<ConfigFile, CommandFailure> {
    let named =
        |why: &dyn std::fmt::Display| CommandFailure::new(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    toml::from_str(&text).map_err(|error| named(&doorward_model::escape_lines(&error.to_string())))
}
