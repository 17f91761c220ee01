//! How much there is of everything: slots, rates and bytes, in total, for one party, and the parts
//! that are kept. What the configuration does not set follows from the machine.

mod entrance;
mod known;
mod queue;
mod rate;
mod turns;

use std::time::Duration;

pub(crate) use entrance::{Entrance, EntranceSlot};
pub(crate) use known::KnownNetworks;

use crate::pot::Size;

/// The bounds before and after authentication.
///
/// Before authentication one network ([`Prefix`](doorward_model::Prefix)) gets at most a quarter of
/// each total, and a quarter is kept for networks that known subjects came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Unidentified connections at the data listener, and how many of them may do a handshake at
    /// the same time. If no slot is free, the connection that has held one longest loses it.
    pub connections: usize,
    /// See `connections`.
    pub handshakes: usize,
    /// Unidentified connections at the management listener.
    pub management: usize,
    /// Handshakes in a second.
    pub handshake_rate: u32,
    /// How long a connection may take until it is identified.
    pub handshake_time: Duration,
    /// Requests without an identity in a second.
    pub unauthenticated_rate: u32,
    /// Files that the process may have open: connections, and backends.
    pub files: u64,
    /// How many bytes may be in flight on all `doorward/1` connections together, and how many
    /// streams may have received that nobody has read.
    pub buffers: u64,
    /// Bytes of requests to the administration that are being read.
    pub bodies: u64,
    /// Bytes of policy bundles that are being read.
    pub uploads: u64,
    /// The bounds of identified subjects.
    pub session: SessionLimits,
}

/// The bounds of identified subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Identified connections at the same time.
    pub sessions: usize,
    /// Identified connections of one subject at the same time.
    pub sessions_per_subject: usize,
    /// Flows of one subject at the same time.
    pub flows_per_subject: usize,
    /// Flows at the same time.
    pub flows: usize,
    /// How long a flow may be silent in both directions.
    pub idle: Duration,
    /// How long a flow may live; `None` is as long as its permit.
    pub life: Option<Duration>,
}

impl Default for Limits {
    /// Returns the limits of a machine with enough of everything.
    fn default() -> Self {
        Self {
            connections: 4096,
            handshakes: 4096,
            management: 4096,
            handshake_rate: 1000,
            handshake_time: Duration::from_secs(10),
            unauthenticated_rate: 100,
            files: 1 << 20,
            buffers: 1 << 30,
            bodies: 64 << 20,
            uploads: 1 << 30,
            session: SessionLimits::default(),
        }
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            sessions: 16384,
            sessions_per_subject: 1024,
            flows_per_subject: 2048,
            flows: 16384,
            idle: Duration::from_secs(3600),
            life: None,
        }
    }
}

/// A setting of the configuration that changes a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the field of that name")]
pub enum Setting {
    Connections,
    Handshakes,
    Management,
    HandshakeRate,
    UnauthenticatedRate,
    Buffers,
    Bodies,
    Uploads,
    Sessions,
    Flows,
}

impl Setting {
    /// Returns its key in the configuration.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Connections => "limits.connections",
            Self::Handshakes => "limits.handshakes",
            Self::Management => "limits.management",
            Self::HandshakeRate => "limits.handshake-rate",
            Self::UnauthenticatedRate => "limits.unauthenticated-rate",
            Self::Buffers => "limits.buffers",
            Self::Bodies => "limits.bodies",
            Self::Uploads => "limits.uploads",
            Self::Sessions => "limits.sessions",
            Self::Flows => "limits.flows",
        }
    }

    /// Returns whether the limit has its default value.
    pub(crate) fn is_usual(self, limits: &Limits) -> bool {
        let value = |limits: &Limits| match self {
            Self::Connections => limits.connections as u64,
            Self::Handshakes => limits.handshakes as u64,
            Self::Management => limits.management as u64,
            Self::HandshakeRate => limits.handshake_rate.into(),
            Self::UnauthenticatedRate => limits.unauthenticated_rate.into(),
            Self::Buffers => limits.buffers,
            Self::Bodies => limits.bodies,
            Self::Uploads => limits.uploads,
            Self::Sessions => limits.session.sessions as u64,
            Self::Flows => limits.session.flows as u64,
        };
        value(limits) == value(&Limits::default())
    }
}

/// The resources of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineResources {
    /// How many files the process may have open.
    pub files: u64,
    /// How many bytes of memory the process may use.
    pub memory: u64,
}

/// Files other than connections: databases, listeners, the log.
const OWN_FILES: u64 = 128;
/// How much memory one session, and one connection without a session, may take, in bytes.
const SESSION: u64 = 256 * 1024;
const CONNECTION: u64 = 64 * 1024;

impl Limits {
    /// Returns the default limits, lowered to what `machine` allows.
    #[must_use]
    pub fn of(machine: MachineResources) -> Self {
        let usual = Self::default();
        let files = machine.files.saturating_sub(OWN_FILES).max(64);
        let memory = machine.memory;
        let at_most = |usual: usize, most: u64| usual.min(usize::try_from(most).unwrap_or(usual));
        let connections = at_most(usual.connections, (memory / 16 / CONNECTION).min(files / 4));
        let sessions = at_most(usual.session.sessions, memory / 4 / SESSION).max(16);
        let flows = at_most(usual.session.flows, memory / 4 / SESSION).max(16);
        Self {
            connections: connections.max(16),
            handshakes: connections.max(16),
            // The process keeps this many files for these connections.
            management: at_most(usual.management, files / 8).max(8),
            files,
            buffers: usual.buffers.min(memory / 4),
            bodies: usual.bodies.min(memory / 64),
            uploads: usual.uploads.min(memory / 8),
            session: SessionLimits {
                sessions,
                flows,
                sessions_per_subject: usual.session.sessions_per_subject.min(sessions / 2),
                flows_per_subject: usual.session.flows_per_subject.min(flows / 2),
                ..usual.session
            },
            ..usual
        }
    }

    /// Returns the size of the pot of files. It keeps as many files for administration as the
    /// management listener takes connections.
    pub(crate) fn files_size(&self) -> Size {
        let administration = (self.management as u64).min(self.files / 2);
        let usual = Size::of(self.files, self.files / 4);
        Size { administration, few: usual.few.max(FILES_OF_A_FLOW), ..usual }
    }

    pub(crate) fn bodies_size(&self) -> Size {
        // The longest body with its head, and another request beside it.
        let longest = 2 * LARGEST_BODY;
        let (total, share) = (self.bodies, (self.bodies / 16).max(longest));
        Size { few: longest, administration: total / 4, ..Size::of(total, share) }
    }

    pub(crate) fn uploads_size(&self) -> Size {
        let total = self.uploads;
        Size { kept: 0, administration: total / 2, ..Size::of(total, total / 2) }
    }
}

/// The most files that one flow takes: its connection, and a program's input, output and keeper.
const FILES_OF_A_FLOW: u64 = 4;
/// The longest body of a request other than a bundle, in bytes.
pub const LARGEST_BODY: u64 = 64 * 1024;

impl SessionLimits {
    pub(crate) fn sessions_size(&self) -> Size {
        Size::of(self.sessions as u64, self.sessions_per_subject as u64)
    }

    pub(crate) fn flows_size(&self) -> Size {
        Size::of(self.flows as u64, self.flows_per_subject as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_machine_gets_less_and_a_large_one_what_is_usual() {
        let large = MachineResources { files: 1 << 20, memory: 64 << 30 };
        let of = Limits::of(large);
        assert_eq!(Limits { files: of.files, ..Limits::default() }, of);
        let small = Limits::of(MachineResources { files: 1024, memory: 128 << 20 });
        assert!(small.session.sessions <= 128 && small.connections <= 128, "{small:?}");
        assert!(small.buffers + small.uploads + small.bodies < 64 << 20);
        let files = small.files_size();
        let kept = files.administration as usize;
        assert!(kept >= small.management, "{files:?}");
        for files in [64, 256, 1024, 4096, 65536] {
            let of = Limits::of(MachineResources { files, memory: 1 << 30 });
            assert!(of.connections as u64 <= of.files && of.management > 0, "{of:?}");
        }
    }
}
