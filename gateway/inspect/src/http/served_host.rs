//! The host names by which clients may call an interface.

use super::authority::RequestAuthority;
use super::elsewhere::Scheme;
use super::refusal::HttpRefusal;

/// The host of an interface, as clients of one connection may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedHost {
    name: Box<str>,
    tunnel: bool,
}

impl ServedHost {
    /// Returns the host for clients that named the interface by SNI. Their requests must name it,
    /// too.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), tunnel: false }
    }

    /// Returns the host for clients of a tunnel to the interface, whose own host name is `name`. A
    /// usual client names what its user typed: an address, `localhost`, a name without dots. A name
    /// with dots that is not the interface's may belong to anybody, and resolve to the near end of
    /// the tunnel so that a browser goes there (DNS rebinding).
    #[must_use]
    pub fn tunnel(name: &str) -> Self {
        Self { name: name.into(), tunnel: true }
    }

    /// Returns the scheme in the URLs of pages that are loaded over this connection.
    pub(super) fn scheme(&self) -> Scheme {
        if self.tunnel { Scheme::Hidden } else { Scheme::Https }
    }

    /// Checks that a request may name `authority` on this connection. The port does not matter.
    pub(super) fn admits(&self, authority: RequestAuthority<'_>) -> Result<(), HttpRefusal> {
        let own = authority.is(&self.name);
        if own || self.tunnel && !authority.may_be_anybodys() {
            Ok(())
        } else {
            Err(HttpRefusal::Misdirected)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_called_by_its_name_and_a_tunnel_by_what_is_nobody_elses() {
        let (interface, tunnel) =
            (ServedHost::named("web--plc.gw.example"), ServedHost::tunnel("web--plc.gw.example"));
        for (host, at_door, in_tunnel) in [
            ("web--plc.gw.example", true, true),
            ("WEB--plc.GW.example:8443", true, true),
            ("web--plc", false, true),
            ("other--plc.gw.example", false, false),
            ("gw.example", false, false),
            ("localhost:8080", false, true),
            ("app.localhost", false, true),
            ("127.0.0.1:8080", false, true),
            ("[::1]:8080", false, true),
            ("box", false, true),
            ("127.1", false, false),
            ("rebound.example:8080", false, false),
            ("localhost.example", false, false),
        ] {
            let authority = RequestAuthority::read(host).unwrap();
            assert_eq!(interface.admits(authority).is_ok(), at_door, "{host}");
            assert_eq!(tunnel.admits(authority).is_ok(), in_tunnel, "{host}");
        }
    }
}
