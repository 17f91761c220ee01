//! The networks that interfaces are reached in, and their names. Every address belongs to exactly
//! one network.

use std::net::IpAddr;

use doorward_model::{Name, NameError};
use ipnet::IpNet;
use thiserror::Error;

use super::embedded::embedded;

/// The networks that may be dialed, and the names of networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    open: Vec<IpNet>,
    /// Sorted with the longest prefix first, so that the first match is the narrowest.
    named: Vec<(Name, IpNet)>,
    loopback: Name,
    private: Name,
    other: Name,
}

/// Why a list of named networks is refused. The operator erred.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworksError {
    /// The text is no network.
    #[error("'{text}' is no network; {instead}")]
    Text {
        /// The text that was given.
        text: String,
        /// What to write instead.
        instead: String,
    },
    /// A built-in network has this name.
    #[error("'{0}' is built in; choose another name")]
    BuiltIn(Name),
    /// The name has no networks.
    #[error("'{0}' names no network; list at least one, such as \"192.168.1.0/24\"")]
    Empty(Name),
    /// The host part of the address is not zero.
    #[error("{found} is no network: the network is {network}, and the address in it is one host")]
    Host {
        /// The network that was given.
        found: IpNet,
        /// The network that was probably meant.
        network: IpNet,
    },
    /// An IPv4 network in IPv6 spelling. No address would ever match it.
    #[error("{0} is an IPv4 network in IPv6 spelling; write it as IPv4")]
    Mapped(IpNet),
    /// Two names for one network.
    #[error("{network} is called both '{first}' and '{second}'; a network has one name")]
    Twice {
        /// The network.
        network: IpNet,
        /// The first name.
        first: Name,
        /// The second name.
        second: Name,
    },
    /// More than [`Networks::MOST`] networks have names.
    #[error("{0} networks have names; at most {most} can", most = Networks::MOST)]
    TooMany(usize),
    /// A built-in name is invalid. The gateway erred.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Networks {
    /// How many networks can have names.
    pub const MOST: usize = 256;

    /// The networks that may be dialed by default: those of the built-in names `loopback` and
    /// `private` (RFC 1918 and RFC 4193).
    pub const OPEN: [&str; 6] =
        ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

    /// Returns a set of networks: those of `open` may be dialed, and those of `named` have names.
    /// Any other address belongs to `loopback`, to `private` or to `other`.
    ///
    /// # Errors
    /// The operator erred: the names do not identify the networks.
    pub fn new(open: Vec<IpNet>, named: Vec<(Name, Vec<IpNet>)>) -> Result<Self, NetworksError> {
        let [loopback, private, other]: [Name; 3] =
            ["loopback".parse()?, "private".parse()?, "other".parse()?];
        for network in &open {
            check_open(*network)?;
        }
        let mut each: Vec<(Name, IpNet)> = Vec::new();
        for (name, networks) in named {
            if [&loopback, &private, &other].contains(&&name) {
                return Err(NetworksError::BuiltIn(name));
            }
            if networks.is_empty() {
                return Err(NetworksError::Empty(name));
            }
            for network in networks {
                check_network(network)?;
                match each.iter().find(|(_, known)| *known == network) {
                    Some((first, _)) if *first != name => {
                        let (first, second) = (first.clone(), name);
                        return Err(NetworksError::Twice { network, first, second });
                    }
                    Some(_) => {}
                    None => each.push((name.clone(), network)),
                }
            }
        }
        if each.len() > Self::MOST {
            return Err(NetworksError::TooMany(each.len()));
        }
        each.sort_by_key(|(_, network)| std::cmp::Reverse(network.prefix_len()));
        Ok(Self { open, named: each, loopback, private, other })
    }

    /// Reads a network.
    ///
    /// # Errors
    /// The operator erred: the text is no network.
    pub fn network(text: &str) -> Result<IpNet, NetworksError> {
        let wrong = || NetworksError::Text {
            text: text.to_owned(),
            instead: match text.parse::<IpAddr>() {
                Ok(ip) => format!("write {} for this one address", IpNet::from(ip)),
                Err(_) => "write ADDRESS/LENGTH, such as 10.0.0.0/8 (a length of at most 32) or \
                           fc00::/7 (at most 128)"
                    .to_owned(),
            },
        };
        text.parse().map_err(|_| wrong())
    }

    /// Reads a network that may be dialed.
    ///
    /// # Errors
    /// The operator erred: the text is no network, or no address would ever match it.
    pub fn open_network(text: &str) -> Result<IpNet, NetworksError> {
        let network = Self::network(text)?;
        check_open(network)?;
        Ok(network)
    }

    /// Returns whether an open network contains the address.
    pub(crate) fn are_open_to(&self, ip: IpAddr) -> bool {
        self.open.iter().any(|network| network.contains(&ip))
    }

    /// Returns the network of a canonical address: the narrowest named network that contains it, or
    /// else a built-in one. An IPv6 address that a translator forwards to an IPv4 address belongs
    /// to the network of that IPv4 address.
    pub(crate) fn of(&self, ip: IpAddr) -> &Name {
        let ip = embedded(ip).unwrap_or(ip);
        if let Some((name, _)) = self.named.iter().find(|(_, network)| network.contains(&ip)) {
            return name;
        }
        if ip.is_loopback() {
            return &self.loopback;
        }
        let is_private = match ip {
            IpAddr::V4(v4) => v4.is_private(),
            IpAddr::V6(v6) => v6.is_unique_local(),
        };
        if is_private { &self.private } else { &self.other }
    }

    /// Returns whether a network has this name.
    pub(crate) fn has(&self, name: &Name) -> bool {
        self.names().contains(&name)
    }

    /// Returns the names of all networks.
    pub(crate) fn names(&self) -> Vec<&Name> {
        let mut names = vec![&self.loopback, &self.private, &self.other];
        names.extend(self.named.iter().map(|(name, _)| name));
        names.sort();
        names.dedup();
        names
    }
}

fn check_host_part(network: IpNet) -> Result<(), NetworksError> {
    if network.trunc() != network {
        return Err(NetworksError::Host { found: network, network: network.trunc() });
    }
    Ok(())
}

fn check_open(network: IpNet) -> Result<(), NetworksError> {
    let is_mapped = |ip: IpAddr| ip.is_ipv6() && ip.to_canonical().is_ipv4();
    check_host_part(network)?;
    if is_mapped(network.network()) && is_mapped(network.broadcast()) {
        return Err(NetworksError::Mapped(network));
    }
    Ok(())
}

fn check_network(network: IpNet) -> Result<(), NetworksError> {
    check_host_part(network)?;
    let is_ipv4 =
        |ip: IpAddr| ip.is_ipv6() && (ip.to_canonical().is_ipv4() || embedded(ip).is_some());
    if is_ipv4(network.network()) && is_ipv4(network.broadcast()) {
        return Err(NetworksError::Mapped(network));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(named: &[(&str, &[&str])]) -> Result<Networks, NetworksError> {
        let network = |text: &&str| text.parse().unwrap();
        let one = |(name, networks): &(&str, &[&str])| {
            (name.parse().unwrap(), networks.iter().map(network).collect())
        };
        Networks::new(vec![], named.iter().map(one).collect())
    }

    #[test]
    fn names_that_do_not_tell_networks_apart_are_refused() {
        for (given, says) in [
            (&[("private", &["192.168.1.0/24"][..])][..], "'private' is built in"),
            (&[("loopback", &["127.0.0.5/32"])], "'loopback' is built in"),
            (&[("other", &["203.0.113.0/24"])], "'other' is built in"),
            (&[("plant", &[])], "'plant' names no network"),
            (&[("plant", &["192.168.1.5/24"])], "the network is 192.168.1.0/24"),
            (&[("plant", &["::ffff:10.0.0.0/104"])], "write it as IPv4"),
            (&[("plant", &["::ffff:0.0.0.0/96"])], "write it as IPv4"),
            (&[("plant", &["64:ff9b::192.168.1.0/120"])], "write it as IPv4"),
            (&[("plant", &["2002:c0a8:100::/40"])], "write it as IPv4"),
            (&[("line", &["10.0.0.0/8"]), ("plant", &["10.0.0.0/8"])], "both 'line' and 'plant'"),
        ] {
            let error = named(given).unwrap_err().to_string();
            assert!(error.contains(says), "{given:?}: {error}");
        }
        let many: Vec<IpNet> = (0..=Networks::MOST)
            .map(|n| format!("10.{}.{}.0/24", n / 256, n % 256))
            .map(|net| net.parse().unwrap())
            .collect();
        let plant = "plant".parse().unwrap();
        assert_eq!(Networks::new(vec![], vec![(plant, many)]), Err(NetworksError::TooMany(257)));
        assert!(named(&[("plant", &["10.0.0.0/8", "10.0.0.0/8"])]).is_ok(), "one name, said twice");
        assert!(named(&[("plant", &["2000::/3", "::/0", "fe80::/10", "64:ff9b::/32"])]).is_ok());
    }

    #[test]
    fn a_network_that_may_be_dialed_is_a_network() {
        for (open, says) in [
            ("10.0.0.1/8", "the network is 10.0.0.0/8"),
            ("::ffff:10.0.0.0/104", "write it as IPv4"),
        ] {
            let error = Networks::new(vec![open.parse().unwrap()], vec![]).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        // Addresses of translators are in these networks.
        for open in ["64:ff9b::/96", "2002::/16", "0.0.0.0/0", "::/0"] {
            assert!(Networks::new(vec![open.parse().unwrap()], vec![]).is_ok(), "{open}");
        }
    }

    #[test]
    fn an_address_belongs_to_the_narrowest_network_with_a_name() {
        let networks = named(&[
            ("plant", &["192.168.1.0/24", "10.0.0.0/8"]),
            ("line", &["192.168.1.128/25", "fd12::/16"]),
            ("press", &["192.168.1.130/32"]),
            ("here", &["127.0.0.5/32"]),
        ])
        .unwrap();
        for (address, expected) in [
            ("192.168.1.7", "plant"),
            ("192.168.1.129", "line"),
            ("192.168.1.130", "press"),
            ("192.168.2.7", "private"),
            ("10.1.2.3", "plant"),
            ("172.16.0.1", "private"),
            ("172.32.0.1", "other"),
            ("127.0.0.1", "loopback"),
            ("127.0.0.5", "here"),
            ("::1", "loopback"),
            ("fd12::1", "line"),
            ("fd13::1", "private"),
            ("8.8.8.8", "other"),
            ("2001:db8::1", "other"),
            // An address that a translator forwards belongs to the network of the IPv4 address.
            ("64:ff9b::192.168.1.130", "press"),
            ("64:ff9b::8.8.8.8", "other"),
            ("2002:c0a8:0182::1", "press"),
            ("::192.168.1.7", "plant"),
        ] {
            assert_eq!(networks.of(address.parse().unwrap()).as_str(), expected, "{address}");
        }
        let names: Vec<&str> = networks.names().into_iter().map(Name::as_str).collect();
        assert_eq!(names, ["here", "line", "loopback", "other", "plant", "press", "private"]);
    }

    proptest! {
        /// An address in some named networks belongs to the one with the longest prefix. Any other
        /// address stays in its built-in network.
        #[test]
        fn the_longest_prefix_wins(
            prefixes in prop::collection::btree_set((any::<u32>(), 0..=32_u8), 0..12),
            address in any::<u32>(),
        ) {
            let network = |(bits, length): &(u32, u8)| {
                IpNet::new(IpAddr::V4((*bits).into()), *length).unwrap().trunc()
            };
            let mut all: Vec<IpNet> = prefixes.iter().map(network).collect();
            all.sort();
            all.dedup();
            let name = |(number, network): (usize, IpNet)| {
                (format!("n{number}").parse().unwrap(), vec![network])
            };
            let networks =
                Networks::new(vec![], all.iter().copied().enumerate().map(name).collect()).unwrap();
            let ip = IpAddr::V4(address.into());
            let longest = all
                .iter()
                .enumerate()
                .filter(|(_, network)| network.contains(&ip))
                .max_by_key(|(_, network)| network.prefix_len());
            let expected = match longest {
                Some((number, _)) => format!("n{number}"),
                None if ip.is_loopback() => "loopback".to_owned(),
                None => {
                    let is_open = |open: &&str| open.parse::<IpNet>().unwrap().contains(&ip);
                    if Networks::OPEN.iter().any(is_open) { "private" } else { "other" }.to_owned()
                }
            };
            prop_assert_eq!(networks.of(ip).as_str(), expected);
        }
    }
}
