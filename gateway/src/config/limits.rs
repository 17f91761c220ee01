//! The section `[limits]`: how many of everything the operator allows.

use std::time::Duration;

use doorward_agent::{SettingsError, SettingsTable};
use doorward_session::{Limits, SessionLimits, Setting};

use super::ranges::{BYTES, LONGEST_TIME, SECOND};

/// The most places of a limit. The gateway adds and multiplies these numbers.
const MOST_PLACES: usize = 1 << 24;
/// The most steps a second. The time between two steps is a whole number of nanoseconds.
const MOST_RATE: u32 = 1_000_000;
/// The longest time that a handshake may take.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(60 * 60);

/// Reads the section. Returns the limits, and which of them the file sets.
pub(super) fn read(
    mut table: SettingsTable<'_>,
    usual: Limits,
) -> Result<(Limits, Vec<Setting>), SettingsError> {
    let mut set = Vec::new();
    let mut given = Given { table: &mut table, set: &mut set };
    let sessions = given.places(Setting::Sessions, usual.session.sessions)?;
    let flows = given.places(Setting::Flows, usual.session.flows)?;
    let limits = Limits {
        connections: given.places(Setting::Connections, usual.connections)?,
        handshakes: given.places(Setting::Handshakes, usual.handshakes)?,
        management: given.places(Setting::Management, usual.management)?,
        handshake_rate: given.rate(Setting::HandshakeRate, usual.handshake_rate)?,
        unauthenticated_rate: given
            .rate(Setting::UnauthenticatedRate, usual.unauthenticated_rate)?,
        buffers: given.bytes(Setting::Buffers, usual.buffers)?,
        bodies: given.bytes(Setting::Bodies, usual.bodies)?,
        uploads: given.bytes(Setting::Uploads, usual.uploads)?,
        handshake_time: table
            .time("handshake-time", SECOND..=LONGEST_HANDSHAKE)?
            .unwrap_or(usual.handshake_time),
        files: usual.files,
        session: SessionLimits {
            sessions,
            flows,
            sessions_per_subject: table
                .whole("sessions-per-subject", 1..=MOST_PLACES)?
                .unwrap_or(usual.session.sessions_per_subject.min((sessions / 2).max(1))),
            flows_per_subject: table
                .whole("flows-per-subject", 1..=MOST_PLACES)?
                .unwrap_or(usual.session.flows_per_subject.min((flows / 2).max(1))),
            idle: table.time("idle", SECOND..=LONGEST_TIME)?.unwrap_or(usual.session.idle),
            life: table.time("life", SECOND..=LONGEST_TIME)?,
        },
    };
    table.end()?;
    Ok((limits, set))
}

/// Reads limits, and notes which of them the file sets.
struct Given<'a, 'file> {
    table: &'a mut SettingsTable<'file>,
    set: &'a mut Vec<Setting>,
}

impl Given<'_, '_> {
    fn places(&mut self, setting: Setting, usual: usize) -> Result<usize, SettingsError> {
        let given = self.table.whole(name(setting), 1..=MOST_PLACES)?;
        Ok(self.noted(setting, given, usual))
    }

    fn rate(&mut self, setting: Setting, usual: u32) -> Result<u32, SettingsError> {
        let given = self.table.whole(name(setting), 1..=MOST_RATE)?;
        Ok(self.noted(setting, given, usual))
    }

    fn bytes(&mut self, setting: Setting, usual: u64) -> Result<u64, SettingsError> {
        let given = self.table.whole(name(setting), BYTES)?;
        Ok(self.noted(setting, given, usual))
    }

    fn noted<N>(&mut self, setting: Setting, given: Option<N>, usual: N) -> N {
        self.set.extend(given.is_some().then_some(setting));
        given.unwrap_or(usual)
    }
}

/// Returns the name of a setting within the section.
fn name(setting: Setting) -> &'static str {
    let key = setting.key();
    key.strip_prefix("limits.").unwrap_or(key)
}
