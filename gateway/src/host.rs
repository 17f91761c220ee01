//! Facts about this machine: its resources, name and address.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use doorward_session::MachineResources;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the open files and the memory that the process may use. Raises the soft limit of open
/// files to the hard limit.
pub(crate) fn machine() -> MachineResources {
    MachineResources { files: files(), memory: memory().unwrap_or(MEMORY) }
}

/// The memory to assume if the system does not report it, in bytes.
const MEMORY: u64 = 1 << 30;

/// Returns how many files the process may open.
fn files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit { current: maximum, maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files could not be raised to the hard limit");
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::from(u32::MAX))
}

/// Returns the memory of the machine, or that of the process's control group if less, in bytes.
fn memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    let line = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    Some(machine.min(group_memory().unwrap_or(u64::MAX)))
}

/// Returns the lowest memory limit of the control groups (version 2) that contain the process.
fn group_memory() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = Path::new("/sys/fs/cgroup").join(own);
    let groups = path.ancestors().take_while(|path| path.starts_with("/sys/fs/cgroup"));
    let bound = |path: &Path| fs::read_to_string(path.join("memory.max")).ok()?.trim().parse().ok();
    groups.filter_map(bound).min()
}

/// Returns the machine's host name, if a certificate can carry it.
pub(crate) fn name() -> Option<String> {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().ok()?.to_ascii_lowercase();
    is_host_name(&name).then_some(name)
}

/// Returns whether a text is a host name (RFC 1123 section 2.1).
pub(crate) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label) && text.parse::<IpAddr>().is_err()
}

/// Returns the address at which other machines reach this one: the source address of its default
/// route. Sends nothing.
pub(crate) fn address() -> Option<IpAddr> {
    // TEST-NET-1 (RFC 5737) follows the default route.
    let elsewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(elsewhere).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then_some(address)
}
