//! The addresses and paths that the local configuration permits to dial.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use doorward_model::{Name, Scheme};

use super::DialError;
use super::embedded::embedded;
use super::glob::Glob;
use super::networks::Networks;

/// The addresses and paths that may be dialed. The local configuration sets them, whatever an
/// interface declares.
#[derive(Clone, Debug)]
pub struct Bounds {
    networks: Networks,
    paths: Paths,
    own: Vec<SocketAddr>,
}

/// The paths that may be dialed, for each scheme that leads to something on this machine
/// ([`Scheme::is_local`]). Without a pattern, nothing of a scheme may be dialed.
#[derive(Clone, Debug, Default)]
pub struct Paths(BTreeMap<Scheme, Vec<Glob>>);

impl Paths {
    /// Returns the patterns for a scheme of which the configuration says nothing.
    #[must_use]
    pub fn usual(scheme: Scheme) -> &'static [&'static str] {
        if scheme == Scheme::Serial { &["/dev/tty*", "/dev/serial/**"] } else { &[] }
    }

    /// Returns these paths and, for `scheme`, these patterns.
    #[must_use]
    pub fn with(mut self, scheme: Scheme, patterns: Vec<Glob>) -> Self {
        self.0.insert(scheme, patterns);
        self
    }

    /// Returns the patterns for a scheme.
    #[must_use]
    pub fn of(&self, scheme: Scheme) -> &[Glob] {
        self.0.get(&scheme).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Bounds {
    /// Returns bounds of these networks and paths. The gateway's own listeners `own` are never
    /// dialed.
    #[must_use]
    pub fn new(networks: Networks, paths: Paths, own: Vec<SocketAddr>) -> Self {
        Self { networks, paths, own }
    }

    /// Returns the networks and their names.
    pub(crate) fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Checks that `address` may be dialed for an interface that was declared in `network`. Returns
    /// the canonical address, which the caller must dial. An interface that was declared before
    /// networks had names is only bounded by `dial.networks`.
    pub(crate) fn check_in(
        &self,
        network: Option<&Name>,
        address: SocketAddr,
    ) -> Result<SocketAddr, DialError> {
        let checked = self.check(address)?;
        let found = self.networks.of(checked.ip());
        match network {
            Some(declared) if declared != found => Err(DialError::OtherNetwork {
                address: checked.to_string(),
                found: found.clone(),
                declared: declared.clone(),
            }),
            Some(_) | None => Ok(checked),
        }
    }

    /// Checks that `address` may be dialed, in whatever network it is. Returns the canonical
    /// address, which the caller must dial.
    pub(crate) fn check(&self, address: SocketAddr) -> Result<SocketAddr, DialError> {
        let ip = address.ip().to_canonical();
        let address = SocketAddr::new(ip, address.port());
        let forbidden = |why: &'static str| {
            Err(DialError::Forbidden { address: address.to_string(), why: why.into() })
        };
        for ip in [Some(ip), embedded(ip)].into_iter().flatten() {
            if is_metadata(ip) {
                return forbidden("a cloud's metadata service");
            }
            // Clouds have further services that hand out secrets among these.
            if is_link_local(ip) {
                return forbidden("a link-local address, and these are never dialed");
            }
            if ip.is_unspecified() {
                return forbidden("an unspecified address");
            }
            if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
                return forbidden("multicast or broadcast");
            }
        }
        if !self.networks.are_open_to(ip) {
            return forbidden("in none of the configuration's dial.networks");
        }
        for ip in [Some(ip), embedded(ip)].into_iter().flatten() {
            if self.is_own(SocketAddr::new(ip, address.port())) {
                return forbidden("a listener of this gateway");
            }
        }
        Ok(address)
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        self.own.iter().filter(|own| own.port() == address.port()).any(|own| {
            let listens_at = own.ip().to_canonical();
            listens_at == address.ip()
                || (listens_at.is_unspecified() && is_local(address.ip()))
                // The system delivers all of 127.0.0.0/8 to a listener on a loopback address.
                || (listens_at.is_loopback() && address.ip().is_loopback())
        })
    }

    /// Checks that something on this machine may be dialed, such as a Unix socket or a program.
    pub(crate) fn check_path(&self, scheme: Scheme, path: &Path) -> Result<(), DialError> {
        if self.paths.of(scheme).iter().any(|glob| glob.matches(path)) {
            return Ok(());
        }
        let address = format!("{scheme}:{}", doorward_model::escape(&path.to_string_lossy()));
        let why = format!("in none of the configuration's dial.{scheme}").into();
        Err(DialError::Forbidden { address, why })
    }

    /// Checks the path of a file. Returns its real path, which the caller must dial: a symbolic
    /// link could lead out of the bounds, so the gateway resolves it and checks again.
    pub(crate) async fn real_path(
        &self,
        scheme: Scheme,
        path: &Path,
    ) -> Result<PathBuf, DialError> {
        self.check_path(scheme, path)?;
        let real = tokio::fs::canonicalize(path).await?;
        self.check_path(scheme, &real)?;
        Ok(real)
    }
}

/// Returns whether it is the address at which a cloud's metadata service hands out secrets.
fn is_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => [
            Ipv4Addr::new(169, 254, 169, 254),
            // Credentials of containers, and another cloud.
            Ipv4Addr::new(169, 254, 170, 2),
            Ipv4Addr::new(169, 254, 0, 23),
        ]
        .contains(&v4),
        IpAddr::V6(v6) => [
            Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
            Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
        ]
        .contains(&v6),
    }
}

/// Returns whether it is a link-local address: in 169.254.0.0/16 or fe80::/10.
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Returns whether this machine has the address. A socket can only be bound to an address of the
/// machine.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
impl Bounds {
    /// Returns bounds of these networks, without names for networks.
    pub(super) fn within(networks: &[&str], paths: Paths) -> Self {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        Self::new(Networks::new(networks, vec![]).unwrap(), paths, vec![])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(networks: &[&str]) -> Bounds {
        let own = vec!["0.0.0.0:8443".parse().unwrap(), "127.0.0.1:8444".parse().unwrap()];
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        let here = ("here".parse().unwrap(), vec!["127.0.0.5/32".parse().unwrap()]);
        let networks = Networks::new(networks, vec![here]).unwrap();
        let globs = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let paths = Paths::default()
            .with(Scheme::Unix, globs(&["/run/app/*.sock"]))
            .with(Scheme::Serial, globs(Paths::usual(Scheme::Serial)))
            .with(Scheme::Process, globs(&["/usr/bin/meter"]));
        Bounds::new(networks, paths, own)
    }

    #[test]
    fn only_what_is_inside_is_dialed_in_any_spelling() {
        let private = bounds(&Networks::OPEN);
        for inside in
            ["127.0.0.1:80", "10.1.2.3:502", "[::1]:80", "[fd12::1]:80", "[::ffff:10.0.0.1]:1"]
        {
            assert!(private.check(inside.parse().unwrap()).is_ok(), "{inside}");
        }
        let all = bounds(&["0.0.0.0/0", "::/0"]);
        for (outside, everywhere) in [
            ("8.8.8.8:53", false),
            ("[2001:db8::1]:80", false),
            ("169.254.169.254:80", true),
            ("[::ffff:169.254.169.254]:80", true),
            ("[64:ff9b::169.254.169.254]:80", true),
            ("[2002:a9fe:a9fe::1]:80", true),
            ("[::169.254.169.254]:80", true),
            ("[fd00:ec2::254]:80", true),
            ("[fe80::1]:80", true),
            ("0.0.0.0:80", true),
            ("[::]:80", true),
            ("224.0.0.1:80", true),
            ("255.255.255.255:80", true),
            ("[ff02::1]:80", true),
            ("127.0.0.1:8443", true),
            ("127.9.9.9:8443", true),
            ("127.0.0.1:8444", true),
            ("127.0.0.2:8444", true),
            ("[::ffff:127.0.0.1]:8444", true),
            ("[64:ff9b::127.0.0.1]:8444", true),
        ] {
            let address = outside.parse().unwrap();
            assert!(private.check(address).is_err(), "{outside}");
            assert_eq!(all.check(address).is_err(), everywhere, "{outside}");
        }
    }

    #[test]
    fn an_address_of_another_network_than_the_declared_one_is_not_dialed() {
        let bounds = bounds(&Networks::OPEN);
        let name = |text: &str| text.parse::<Name>().unwrap();
        for (network, address, inside) in [
            ("loopback", "127.0.0.1:80", true),
            ("loopback", "[::1]:80", true),
            ("loopback", "[::ffff:127.0.0.1]:80", true),
            ("loopback", "127.0.0.5:80", false),
            ("loopback", "10.0.0.1:80", false),
            ("here", "127.0.0.5:80", true),
            ("here", "[::ffff:127.0.0.5]:80", true),
            ("here", "127.0.0.1:80", false),
            ("private", "10.0.0.1:80", true),
            ("private", "[fd12::1]:80", true),
            ("private", "127.0.0.1:80", false),
            // The network `gone` is not in [dial.named].
            ("gone", "127.0.0.5:80", false),
            // A name alone does not open a network.
            ("other", "8.8.8.8:53", false),
        ] {
            let checked = bounds.check_in(Some(&name(network)), address.parse().unwrap());
            assert_eq!(checked.is_ok(), inside, "{address} in {network}: {checked:?}");
        }
        for address in ["127.0.0.1:80", "127.0.0.5:80", "10.0.0.1:80"] {
            assert!(bounds.check_in(None, address.parse().unwrap()).is_ok(), "{address}");
        }
        assert!(bounds.check_in(None, "8.8.8.8:53".parse().unwrap()).is_err());
    }

    #[test]
    fn sockets_are_dialed_where_the_configuration_says() {
        let bounds = bounds(&[]);
        assert!(bounds.check_path(Scheme::Unix, Path::new("/run/app/a.sock")).is_ok());
        assert!(bounds.check_path(Scheme::Unix, Path::new("/run/other/a.sock")).is_err());
        assert!(bounds.check_path(Scheme::Unix, Path::new("/run/docker.sock")).is_err());
    }

    #[test]
    fn lines_and_programs_are_those_of_the_configuration() {
        let bounds = bounds(&[]);
        for (line, inside) in [
            ("/dev/ttyUSB0", true),
            ("/dev/serial/by-id/usb-1", true),
            ("/dev/sda", false),
            ("/dev/pts/0", false),
            ("/etc/tty", false),
        ] {
            assert_eq!(
                bounds.check_path(Scheme::Serial, Path::new(line)).is_ok(),
                inside,
                "{line}"
            );
        }
        assert!(bounds.check_path(Scheme::Process, Path::new("/usr/bin/meter")).is_ok());
        assert!(bounds.check_path(Scheme::Process, Path::new("/usr/bin/sh")).is_err());
        let nothing = Bounds::within(&[], Paths::default());
        assert!(nothing.check_path(Scheme::Process, Path::new("/usr/bin/meter")).is_err());
        assert!(nothing.check_path(Scheme::Serial, Path::new("/dev/ttyUSB0")).is_err());
    }

    #[test]
    fn a_link_local_address_is_called_what_it_is() {
        let open = bounds(&["0.0.0.0/0", "::/0"]);
        for (address, why) in [
            ("169.254.169.254:80", "a cloud's metadata service"),
            ("[fd00:ec2::254]:80", "a cloud's metadata service"),
            ("169.254.7.7:80", "a link-local address"),
            ("[fe80::1]:80", "a link-local address"),
            ("[::ffff:169.254.7.7]:80", "a link-local address"),
        ] {
            let refused = open.check(address.parse().unwrap()).unwrap_err().to_string();
            assert!(refused.contains(why), "{address}: {refused}");
        }
    }
}
