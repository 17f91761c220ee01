//! Bounds how many records of each kind a party may cause, and how far they may fill the log.

use doorward_model::Action;

use super::{Event, Party, Record};

/// How far a record may fill the log, by who causes it. A party with fewer rights is stopped
/// earlier, so that nobody takes the room of parties with more rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Caused by anyone who can connect: sessions and refusals.
    Anyone,
    /// Caused with a permit: flows and operations.
    Permitted,
    /// Certificates. Endless renewals stop no flow. A full log does not stop renewals: they are
    /// counted. The state has each certificate as well.
    Identity,
    /// Records that must not stop anything: alarms, and requests that only read the administration.
    Notice,
    /// Requests that change something.
    Administrator,
    /// Requests that take a right away or make room. They may also use the room on the disk that is
    /// reserved for them.
    Rescue,
}

/// What happens to a record for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WithoutRoom {
    /// It is counted, and the count is recorded later.
    Counted,
    /// What was to be recorded does not happen.
    Refused,
}

impl Class {
    /// Returns how many bytes the log may have when such a record is added, given a limit of
    /// `most`.
    #[must_use]
    pub fn room(self, most: u64) -> u64 {
        match self {
            Self::Anyone => most / 32 * 24,
            Self::Identity => most / 32 * 28,
            Self::Notice => most / 32 * 29,
            Self::Permitted => most / 32 * 30,
            Self::Administrator => most,
            Self::Rescue => u64::MAX,
        }
    }

    /// Returns what happens to such a record when there is no room.
    #[must_use]
    pub fn without_room(self) -> WithoutRoom {
        match self {
            Self::Anyone | Self::Identity | Self::Notice => WithoutRoom::Counted,
            Self::Permitted | Self::Administrator | Self::Rescue => WithoutRoom::Refused,
        }
    }
}

/// How many records of one kind a party may cause. Records beyond that are counted and share one
/// record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// How far they may fill the log.
    pub class: Class,
    /// The most within a minute.
    pub minute: u32,
    /// The most within a day.
    pub day: u32,
}

impl Bound {
    const fn of(class: Class, minute: u32, day: u32) -> Self {
        Self { class, minute, day }
    }

    /// Every record is written by itself. Something else bounds their number.
    const fn each(class: Class) -> Self {
        Self::of(class, u32::MAX, u32::MAX)
    }
}

impl Record {
    /// Returns the bound for this kind of record. Every kind of event has its bound here.
    #[must_use]
    pub fn bound(&self) -> Bound {
        use Class::{Administrator, Anyone, Identity, Notice, Permitted, Rescue};
        match self.event {
            // The machine's owner causes these. A gateway can always be started, so that its owner
            // can make room.
            Event::Start | Event::Stop | Event::Recovery => Bound::each(Rescue),
            Event::Claimed => Bound::each(Administrator),
            Event::SessionOpen | Event::SessionEnd => Bound::of(Anyone, 60, 2_000),
            Event::FlowOpen | Event::FlowEnd => Bound::of(Permitted, 600, 20_000),
            Event::FlowRefused => Bound::of(Anyone, 60, 1_000),
            Event::Operation => Bound::of(Permitted, 600, 20_000),
            Event::OperationRefused => Bound::of(Anyone, 60, 2_000),
            // These may use the reserved room, so their number is bounded. Further requests are done
            // as well, and counted.
            Event::Request | Event::RequestEnd if self.urgent => Bound::of(Rescue, 120, 2_000),
            Event::Request | Event::RequestEnd if self.action == Some(Action::Read) => {
                Bound::of(Notice, 60, 5_000)
            }
            // Each of them changes something, so each has its own record.
            Event::Request | Event::RequestEnd => Bound::each(Administrator),
            Event::RequestRefused => Bound::of(Anyone, 60, 1_000),
            // They are counts already: `Refusals` in gateway/session bounds them.
            Event::Refusals => Bound::each(Anyone),
            // The number of a subject's certificates is bounded where they are issued.
            Event::Issuing | Event::Issued => Bound::of(Identity, 300, 10_000),
            Event::CodeRefused => Bound::of(Anyone, 10, 200),
            Event::Alarm => match self.party() {
                Party::Gateway => Bound::of(Notice, 60, 1_000),
                Party::Subject(_) | Party::Stranger(_) => Bound::of(Notice, 2, 24),
            },
        }
    }

    /// Returns the party that caused the record.
    #[must_use]
    pub fn party(&self) -> Party {
        match (&self.subject, self.source) {
            (Some(subject), _) => Party::Subject(subject.clone()),
            (None, Some(source)) => Party::stranger(source.ip()),
            (None, None) => Party::Gateway,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_fewer_rights_is_stopped_earlier() {
        let most = 1024 * 1024;
        let rooms =
            [Class::Anyone, Class::Identity, Class::Permitted, Class::Administrator, Class::Rescue]
                .map(|class| class.room(most));
        assert!(rooms.is_sorted_by(|one, next| one < next), "{rooms:?}");
        assert_eq!(Class::Permitted.room(most), most / 16 * 15);
        assert_eq!(Class::Administrator.room(most), most);
    }
}
