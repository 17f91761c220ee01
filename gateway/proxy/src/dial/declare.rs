//! Checks a target when its interface is declared: whether it could be dialed, and in which network
//! it is.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use doorward_model::{Host, Name, Target, WayEnd};
use thiserror::Error;
use tokio::time::timeout;

use super::{DIAL_TIMEOUT, DialError, Dialer, tcp};

/// Why an interface cannot be declared. The administrator erred.
#[derive(Debug, Error)]
pub enum DeclareError {
    /// The target is outside the bounds, so it could never be dialed.
    #[error(transparent)]
    Bounds(#[from] DialError),
    /// The host name has no address now.
    #[error(
        "{0} has no address now, so its network is not known; correct the name, or say which \
         network it is in: `doorward interface add … --network NAME`"
    )]
    Unresolved(Host),
    /// The host name has addresses in more than one network.
    #[error(
        "{host} has addresses in several networks ({networks}); say which one is meant, and no \
         other is dialed: `doorward interface add … --network NAME`"
    )]
    Several {
        /// The host.
        host: Host,
        /// The names of the networks.
        networks: String,
    },
    /// No address of the host is in the network that the administrator named.
    #[error("{host} is in the network {found}, and not in {wanted}")]
    Elsewhere {
        /// The host.
        host: Host,
        /// The network that it is in.
        found: Name,
        /// The network that the administrator named.
        wanted: Name,
    },
    /// No network has this name.
    #[error("no network is called {wanted}; there are {known}")]
    Unknown {
        /// The name that was given.
        wanted: Name,
        /// The names that exist.
        known: String,
    },
    /// The target is not reached through a network.
    #[error("such an interface is reached by no network, so it takes no --network")]
    Local,
}

impl Dialer {
    /// Returns the network that an interface at `target` is declared in: `wanted`, or else the
    /// network that holds all its addresses. Returns `None` if the target is not reached through a
    /// network.
    ///
    /// # Errors
    /// The administrator erred: the target could never be dialed, or its network is ambiguous.
    pub async fn declare(
        &self,
        target: &Target,
        wanted: Option<&Name>,
    ) -> Result<Option<Name>, DeclareError> {
        let way = target.way();
        match way.end() {
            WayEnd::Host { host, port } => {
                return self.network_of(host, port, wanted).await.map(Some);
            }
            WayEnd::Local { path } => self.bounds.check_path(way.scheme(), path)?,
            // The configuration of the agent says what the agent may reach.
            WayEnd::Agent { .. } => {}
        }
        match wanted {
            Some(_) => Err(DeclareError::Local),
            None => Ok(None),
        }
    }

    async fn network_of(
        &self,
        host: &Host,
        port: u16,
        wanted: Option<&Name>,
    ) -> Result<Name, DeclareError> {
        let networks = self.bounds.networks();
        if let Some(wanted) = wanted.filter(|wanted| !networks.has(wanted)) {
            let known = join_names(networks.names().into_iter());
            return Err(DeclareError::Unknown { wanted: wanted.clone(), known });
        }
        let addresses = match timeout(DIAL_TIMEOUT, tcp::addresses(host, port)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(_)) | Err(_) => vec![],
        };
        let (mut found, mut refused) = (BTreeSet::new(), None);
        for address in addresses {
            match self.bounds.check(address) {
                Ok(checked) => drop(found.insert(networks.of(checked.ip()))),
                Err(error) => refused = Some(error),
            }
        }
        match (wanted, found.first()) {
            (Some(wanted), Some(_)) if found.contains(wanted) => Ok(wanted.clone()),
            (Some(wanted), Some(first)) => {
                let (host, found, wanted) = (host.clone(), (*first).clone(), wanted.clone());
                Err(DeclareError::Elsewhere { host, found, wanted })
            }
            (None, Some(first)) if found.len() == 1 => Ok((*first).clone()),
            (None, Some(_)) => {
                let networks = join_names(found.into_iter());
                Err(DeclareError::Several { host: host.clone(), networks })
            }
            (wanted, None) => match (refused, wanted) {
                (Some(refused), _) => Err(refused.into()),
                // Each dial resolves the name again, and only dials addresses in the network.
                (None, Some(wanted)) => Ok(wanted.clone()),
                (None, None) => Err(DeclareError::Unresolved(host.clone())),
            },
        }
    }

    /// Returns why the present configuration would refuse to dial `target`, which was declared in
    /// `network`. Does not resolve host names.
    #[must_use]
    pub fn doubts(&self, target: &Target, network: Option<&Name>) -> Option<String> {
        let WayEnd::Host { host, port } = target.way().end() else { return None };
        match (network, host) {
            (network, Host::Address(ip)) => {
                let checked = self.bounds.check_in(network, SocketAddr::new(*ip, port));
                if let Err(error) = checked {
                    return Some(error.to_string());
                }
            }
            (Some(network), Host::Name(_)) if !self.bounds.networks().has(network) => {
                return Some(format!(
                    "no network is called {network} any more, so nothing is dialed; put it back \
                     into [dial.named], or remove the interface and add it again"
                ));
            }
            (Some(_) | None, Host::Name(_)) => {}
        }
        network.is_none().then(|| {
            "it was declared before networks had names, so all of dial.networks bounds it; \
             `doorward interface enable` notes the network that it is in"
                .to_owned()
        })
    }
}

fn join_names<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    names.map(Name::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use doorward_model::Scheme;

    use super::super::{Bounds, Networks, OnlineAgents, Paths, Twice};
    use super::*;

    fn dialer() -> Dialer {
        let open = Networks::OPEN.iter().map(|network| network.parse().unwrap()).collect();
        let named = [("plant", "192.168.1.0/24"), ("here", "127.0.0.5/32")];
        let named = named.map(|(name, net)| (name.parse().unwrap(), vec![net.parse().unwrap()]));
        let networks = Networks::new(open, named.to_vec()).unwrap();
        let sockets = vec!["/run/*.sock".parse().unwrap()];
        let paths = Paths::default().with(Scheme::Unix, sockets);
        Dialer::new(Bounds::new(networks, paths, vec![]), OnlineAgents::new(Twice::Newest))
    }

    async fn declare(url: &str, wanted: &str) -> Result<Option<String>, String> {
        let wanted = (!wanted.is_empty()).then(|| wanted.parse().unwrap());
        let declared = dialer().declare(&url.parse().unwrap(), wanted.as_ref()).await;
        declared.map(|name| name.map(|name| name.to_string())).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_is_in_no_clear_network_is_not_declared() {
        for (url, wanted, says) in [
            ("tcp://192.0.2.1:1", "", "in none of the configuration's dial.networks"),
            ("tcp://192.0.2.1:1", "other", "in none of the configuration's dial.networks"),
            ("tcp://169.254.169.254:80", "other", "metadata"),
            ("tcp://192.168.1.7:1", "private", "is in the network plant, and not in private"),
            ("tcp://192.168.2.7:1", "plant", "is in the network private, and not in plant"),
            ("udp://127.0.0.1:1", "here", "is in the network loopback, and not in here"),
            ("tcp://[::ffff:192.168.1.7]:1", "private", "is in the network plant"),
            ("tcp://192.168.1.7:1", "lab", "there are here, loopback, other, plant, private"),
            ("tcp://nothing.invalid:1", "", "nothing.invalid has no address now"),
            ("tcp://nothing.invalid:1", "lab", "no network is called lab"),
            ("unix:/run/a.sock", "loopback", "reached by no network"),
            ("unix:/tmp/a.sock", "", "dial.unix"),
            ("agent:shell", "private", "reached by no network"),
        ] {
            let error = declare(url, wanted).await.unwrap_err();
            assert!(error.contains(says), "{url} {wanted}: {error}");
        }
    }

    #[tokio::test]
    async fn what_is_declared_is_in_one_network() {
        for (url, wanted, network) in [
            ("tcp://192.168.1.7:1", "", Some("plant")),
            ("modbus://192.168.1.7:502", "plant", Some("plant")),
            ("coap://192.168.2.7:5683", "", Some("private")),
            ("tcp://127.0.0.1:1", "", Some("loopback")),
            ("http://[::ffff:127.0.0.5]:80", "", Some("here")),
            ("mqtt://localhost:1883", "", Some("loopback")),
            // Each dial resolves the name again.
            ("tcp://nothing.invalid:1", "plant", Some("plant")),
            ("unix:/run/a.sock", "", None),
            ("agent:shell", "", None),
        ] {
            let expected = network.map(str::to_owned);
            assert_eq!(declare(url, wanted).await, Ok(expected), "{url} {wanted}");
        }
    }

    #[test]
    fn what_would_not_be_dialed_any_more_is_said() {
        for (url, network, says) in [
            ("tcp://192.168.1.7:1", "private", Some("is in the network plant")),
            ("tcp://plc.lan:1", "lab", Some("no network is called lab any more")),
            ("tcp://192.168.1.7:1", "lab", Some("is in the network plant")),
            ("tcp://192.0.2.1:1", "", Some("dial.networks")),
            ("tcp://192.168.1.7:1", "plant", None),
            ("tcp://192.168.1.7:1", "", Some("before networks had names")),
            ("tcp://plc.lan:1", "", Some("before networks had names")),
            ("tcp://plc.lan:1", "plant", None),
            ("agent:shell", "", None),
        ] {
            let network = (!network.is_empty()).then(|| network.parse().unwrap());
            let doubts = dialer().doubts(&url.parse().unwrap(), network.as_ref());
            match says {
                Some(says) => assert!(doubts.is_some_and(|text| text.contains(says)), "{url}"),
                None => assert_eq!(doubts, None, "{url}"),
            }
        }
    }
}
