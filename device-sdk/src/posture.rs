//! Reports of a device about itself.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use doorward_wire::{Report, Value};

/// A collector of a device's facts. It runs on a thread that may block, so it may read files.
pub trait Collector: Send + Sync {
    /// Returns the present facts. Their names consist of a-z, 0-9 and hyphens.
    fn collect(&self) -> Report;
}

/// The longest text value, in bytes.
pub(crate) const TEXT: usize = 256;
/// The longest file that is read, in bytes.
const FILE: u64 = 256 * 1024;
/// How many sockets of a kind are reported.
const SOCKETS: usize = 256;

/// A collector for Linux: `os`, `os-version`, `kernel`, `machine`, `firmware`, `boot-id`,
/// `uptime-seconds`, `listening-tcp`, `listening-udp`, `disk-encrypted` and `agent`. It leaves out
/// facts that it cannot read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemCollector {
    /// The program and its version.
    pub software: String,
    /// A file whose first line is the firmware's version.
    pub firmware: Option<PathBuf>,
    /// A directory used instead of `/`, for tests.
    root: Option<PathBuf>,
}

impl SystemCollector {
    /// Creates a collector for the program `software`, such as `thermostat/2.1`. `firmware` is a
    /// file whose first line is the firmware's version.
    #[must_use]
    pub fn new(software: impl Into<String>, firmware: Option<PathBuf>) -> Self {
        Self { software: software.into(), firmware, root: None }
    }

    fn path(&self, path: &str) -> PathBuf {
        let root = self.root.as_deref().unwrap_or_else(|| Path::new("/"));
        root.join(path.trim_start_matches('/'))
    }

    fn read(&self, path: &str) -> Option<String> {
        read(&self.path(path))
    }

    fn sockets(&self, files: [&str; 2], listening: &str) -> Option<Value> {
        let tables: Vec<String> = files.iter().filter_map(|file| self.read(file)).collect();
        if tables.is_empty() {
            return None;
        }
        let mut found: Vec<SocketAddr> =
            tables.iter().flat_map(|table| sockets(table, listening)).collect();
        found.sort_unstable();
        found.dedup();
        found.truncate(SOCKETS);
        Some(Value::List(found.iter().map(ToString::to_string).collect()))
    }

    /// Returns whether the root file system is on an encrypted device (dm-crypt).
    fn disk_encrypted(&self) -> Option<bool> {
        let mounts = self.read("/proc/mounts")?;
        // The last mount at `/` hides earlier ones.
        let device = mounts.lines().rev().find_map(|line| {
            let mut words = line.split_whitespace();
            let device = words.next()?;
            (words.next()? == "/").then_some(device)
        })?;
        let name = device.strip_prefix("/dev/")?;
        let mapped = match name.strip_prefix("mapper/") {
            Some(mapped) => self.mapped(mapped)?,
            None if name.starts_with("dm-") => name.to_owned(),
            // A plain partition is not encrypted by the system.
            None => return Some(false),
        };
        let uuid = self.read(&format!("/sys/block/{mapped}/dm/uuid"))?;
        if uuid.starts_with("CRYPT-") {
            return Some(true);
        }
        // A logical volume is encrypted if all devices it consists of are.
        let under = fs::read_dir(self.path(&format!("/sys/block/{mapped}/slaves"))).ok()?;
        let mut under = under.flatten().take(SOCKETS).peekable();
        under.peek()?;
        Some(under.all(|slave| {
            let uuid = format!("/sys/block/{}/dm/uuid", slave.file_name().to_string_lossy());
            self.read(&uuid).is_some_and(|uuid| uuid.starts_with("CRYPT-"))
        }))
    }

    /// Returns the `dm-N` device with this name under `/dev/mapper`.
    fn mapped(&self, name: &str) -> Option<String> {
        let blocks = fs::read_dir(self.path("/sys/block")).ok()?;
        blocks.flatten().map(|block| block.file_name().to_string_lossy().into_owned()).find(
            |block| {
                let named = self.read(&format!("/sys/block/{block}/dm/name"));
                named.is_some_and(|named| named.trim_end() == name)
            },
        )
    }
}

impl Collector for SystemCollector {
    fn collect(&self) -> Report {
        let mut report = Report::new();
        let release = self.read("/etc/os-release").unwrap_or_default();
        let kernel = self.read("/proc/sys/kernel/osrelease");
        let firmware = self.firmware.as_deref().and_then(read);
        let boot = self.read("/proc/sys/kernel/random/boot_id");
        let uname = rustix::system::uname();
        let machine = uname.machine().to_str().ok().map(str::to_owned);
        for (name, text) in [
            ("os", field(&release, "ID")),
            ("os-version", field(&release, "VERSION_ID")),
            ("kernel", kernel),
            ("machine", machine),
            ("firmware", firmware),
            ("boot-id", boot),
            ("agent", Some(self.software.clone())),
        ] {
            if let Some(text) = text.and_then(|text| first_line(&text)) {
                report.insert(name.to_owned(), Value::Text(text));
            }
        }
        let uptime = self.read("/proc/uptime");
        let uptime = uptime.and_then(|text| text.split('.').next()?.parse().ok());
        let tcp = self.sockets(["/proc/net/tcp", "/proc/net/tcp6"], LISTEN);
        let udp = self.sockets(["/proc/net/udp", "/proc/net/udp6"], UNCONNECTED);
        for (name, value) in [
            ("uptime-seconds", uptime.map(Value::Number)),
            ("listening-tcp", tcp),
            ("listening-udp", udp),
            ("disk-encrypted", self.disk_encrypted().map(Value::Flag)),
        ] {
            if let Some(value) = value {
                report.insert(name.to_owned(), value);
            }
        }
        report
    }
}

/// Socket states in `/proc/net`: a listening TCP socket, and a UDP socket without a peer.
pub(crate) const LISTEN: &str = "0A";
const UNCONNECTED: &str = "07";

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the first line, trimmed and shortened to [`TEXT`] bytes, unless it is empty.
pub(crate) fn first_line(text: &str) -> Option<String> {
    let mut line = text.lines().next()?.trim().to_owned();
    line.truncate(line.floor_char_boundary(TEXT));
    (!line.is_empty()).then_some(line)
}

/// Returns a field of `os-release`.
pub(crate) fn field(release: &str, name: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// Returns the local addresses of the sockets in this state, from a table of `/proc/net`.
pub(crate) fn sockets<'a>(table: &'a str, state: &'a str) -> impl Iterator<Item = SocketAddr> + 'a {
    table.lines().skip(1).filter_map(move |line| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next()?;
        (words.nth(1)? == state).then(|| address(local)).flatten()
    })
}

/// Parses an address as the kernel prints it: 32-bit words in native byte order as hexadecimal, a
/// colon, and the port.
pub(crate) fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for word in 0..ip.len() / 8 {
        let word = ip.get(word * 8..word * 8 + 8)?;
        bytes.extend_from_slice(&u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
    }
    let ip: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(files: &[(&str, &str)]) -> (tempfile::TempDir, SystemCollector) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let firmware = Some(root.path().join("firmware"));
        let mut collector = SystemCollector::new("thermostat/2.1", firmware);
        collector.root = Some(root.path().to_owned());
        (root, collector)
    }

    const TCP: &str = "  sl  local_address rem_address   st\n   \
        0: 0100007F:1F90 00000000:0000 0A 0\n   1: 0100007F:1F91 0100007F:0050 01 0\n";
    const TCP6: &str = "  sl  local_address rem_address   st\n   \
        0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0\n";

    #[test]
    fn a_system_says_what_it_is() {
        let (_root, collector) = system(&[
            ("etc/os-release", "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n"),
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
            ("proc/sys/kernel/random/boot_id", "0b5c\n"),
            ("proc/uptime", "123.45 99.0\n"),
            ("proc/net/tcp", TCP),
            ("proc/net/tcp6", TCP6),
            ("firmware", "v7\nmore\n"),
            ("proc/mounts", "/dev/mapper/root / ext4 rw 0 0\n"),
            ("sys/block/dm-0/dm/name", "root\n"),
            ("sys/block/dm-0/dm/uuid", "CRYPT-LUKS2-1\n"),
        ]);
        let report = collector.collect();
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        assert_eq!(report.get("os").cloned(), text("debian"));
        assert_eq!(report.get("os-version").cloned(), text("12"));
        assert_eq!(report.get("kernel").cloned(), text("6.1.0"));
        assert_eq!(report.get("firmware").cloned(), text("v7"));
        assert_eq!(report.get("agent").cloned(), text("thermostat/2.1"));
        assert_eq!(report["uptime-seconds"], Value::Number(123));
        assert_eq!(report["disk-encrypted"], Value::Flag(true));
        if cfg!(target_endian = "little") {
            let listening = vec!["127.0.0.1:8080".to_owned(), "[::1]:22".to_owned()];
            assert_eq!(report["listening-tcp"], Value::List(listening));
        }
        assert!(!report.contains_key("listening-udp"));
    }

    #[test]
    fn what_is_not_known_is_not_said_and_what_is_said_is_bounded() {
        let long = "x".repeat(10_000);
        let (_root, collector) = system(&[("firmware", &long), ("proc/mounts", "overlay / x\n")]);
        let report = collector.collect();
        assert!(!report.contains_key("disk-encrypted"));
        assert!(matches!(&report["firmware"], Value::Text(text) if text.len() == 256));
        let (_root, plain) = system(&[("proc/mounts", "/dev/sda1 / ext4 rw 0 0\n")]);
        assert_eq!(plain.collect()["disk-encrypted"], Value::Flag(false));
    }
}
