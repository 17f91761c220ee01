//! The condition `from=`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::error::WhenError;
use super::truth::Truth;

/// `from=10.0.0.0/8|fd00::/8`: the source address is in one of the networks.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SourceNetworks(Box<[IpNet]>);

impl SourceNetworks {
    pub(super) fn holds(&self, source: Option<IpAddr>) -> Truth {
        let Some(source) = source.map(|address| address.to_canonical()) else {
            return Truth::Unknown;
        };
        if self.0.iter().any(|network| network.contains(&source)) {
            Truth::True
        } else {
            Truth::False
        }
    }
}

impl SourceNetworks {
    /// Yields a host of each network.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.0.iter().filter_map(|network| network.hosts().next())
    }
}

impl fmt::Display for SourceNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut or = "";
        for network in &self.0 {
            let host = network.prefix_len() == network.max_prefix_len();
            match host {
                true => write!(f, "{or}{}", network.addr())?,
                false => write!(f, "{or}{network}")?,
            }
            or = " or ";
        }
        Ok(())
    }
}

pub(super) fn read(value: &str) -> Result<SourceNetworks, WhenError> {
    value.split('|').map(network).collect::<Result<_, _>>().map(SourceNetworks)
}

fn network(text: &str) -> Result<IpNet, WhenError> {
    let wrong = |expected: String| WhenError::Value { name: "from=", value: text.into(), expected };
    let network: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse().map_err(|_| {
            wrong("a network is ADDRESS/BITS, such as 192.168.1.0/24; join several by |".into())
        })?,
    };
    if let IpNet::V6(v6) = network
        && v6.addr().to_ipv4_mapped().is_some()
        && v6.prefix_len() >= 96
    {
        // Addresses are compared within their own family, so this network would contain none.
        let bits = v6.prefix_len() - 96;
        let v4 = v6.addr().to_ipv4_mapped().map(|v4| format!("{v4}/{bits}"));
        return Err(wrong(format!("write it as {}", v4.unwrap_or_default())));
    }
    if network.trunc() != network {
        // 10.0.0.1/8 could mean the host or the network, and one of them is a mistake.
        return Err(wrong(format!(
            "the network is {}, the host {}",
            network.trunc(),
            network.addr()
        )));
    }
    Ok(network)
}
