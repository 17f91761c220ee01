//! The ranges that several settings share.

use std::ops::RangeInclusive;
use std::time::Duration;

use doorward_store::AuditSettings;

pub(super) const MEBIBYTE: u64 = 1024 * 1024;
/// How many bytes a setting can be: a mebibyte to a tebibyte.
pub(super) const BYTES: RangeInclusive<u64> = AuditSettings::SMALLEST..=MEBIBYTE * MEBIBYTE;
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest time that a setting can be: a hundred years. The gateway adds it to instants and
/// takes it from them.
pub(super) const LONGEST_TIME: Duration = Duration::from_secs(36525 * 24 * 60 * 60);
/// The longest time that a gateway may take to stop.
pub(super) const LONGEST_GRACE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
