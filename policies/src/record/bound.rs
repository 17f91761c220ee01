//! How much of each kind of record one party may cause, and which part of the log that may fill.

use doorward_model::Action;

use super::{Event, Party, Record};

/// Which part of the log a record may fill, by whose doing it is. Whoever has fewer rights is
/// stopped earlier, so that nobody fills the room of those who have more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// What everybody causes who can connect: sessions, refusals.
    Anyone,
    /// What a right allows: flows and operations.
    Permitted,
    /// Certificates. Whoever renews without end stops no flow, and a log that is full keeps no
    /// device from renewing: then it is counted. The state has each certificate, too.
    Identity,
    /// What must not stop anything: alarms, and requests that only read the administration.
    Notice,
    /// Requests that change something.
    Administrator,
    /// Requests that take a right away or make room. They may also use the room on the disk
    /// that is kept for them.
    Rescue,
}

/// What becomes of a record for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WithoutRoom {
    /// It is counted, and the count is recorded later.
    Counted,
    /// What was to be recorded does not happen.
    Refused,
}

impl Class {
    /// The bytes that the log may have when such a record is taken, of `most` in all.
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

    /// What becomes of such a record when there is no room.
    #[must_use]
    pub fn without_room(self) -> WithoutRoom {
        match self {
            Self::Anyone | Self::Identity | Self::Notice => WithoutRoom::Counted,
            Self::Permitted | Self::Administrator | Self::Rescue => WithoutRoom::Refused,
        }
    }
}

/// How many records of one kind one party may cause that stand in the log one by one. Those
/// beyond are counted, and stand there together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Which part of the log they may fill.
    pub class: Class,
    /// How many within a minute.
    pub minute: u32,
    /// How many within a day.
    pub day: u32,
}

impl Bound {
    const fn of(class: Class, minute: u32, day: u32) -> Self {
        Self { class, minute, day }
    }

    /// Of that kind each record stands by itself: something else bounds how many there are.
    const fn each(class: Class) -> Self {
        Self::of(class, u32::MAX, u32::MAX)
    }
}

impl Record {
    /// How many of its kind its party may cause. Every kind of event has its bound here.
    #[must_use]
    pub fn bound(&self) -> Bound {
        use Class::{Administrator, Anyone, Identity, Notice, Permitted, Rescue};
        match self.event {
            // The machine's owner causes these: a gateway can always be started, to make room.
            Event::Start | Event::Stop | Event::Recovery => Bound::each(Rescue),
            Event::Claimed => Bound::each(Administrator),
            Event::SessionOpen | Event::SessionEnd => Bound::of(Anyone, 60, 2_000),
            Event::FlowOpen | Event::FlowEnd => Bound::of(Permitted, 600, 20_000),
            Event::FlowRefused => Bound::of(Anyone, 60, 1_000),
            Event::Operation => Bound::of(Permitted, 600, 20_000),
            Event::OperationRefused => Bound::of(Anyone, 60, 2_000),
            Event::Request | Event::RequestEnd => match self.action {
                // Where nothing else has room any more they may use what is kept, so there their
                // number is bounded; the rest is done as well, and counted.
                _ if self.urgent => Bound::of(Rescue, 120, 2_000),
                Some(Action::Read) => Bound::of(Notice, 60, 5_000),
                // Each changes something, and stands by itself.
                _ => Bound::each(Administrator),
            },
            Event::RequestRefused => Bound::of(Anyone, 60, 1_000),
            // They are counts already: `Refusals` in gateway/session bounds them.
            Event::Refusals => Bound::each(Anyone),
            // How many certificates a subject gets is bounded where they are issued.
            Event::Issuing | Event::Issued => Bound::of(Identity, 300, 10_000),
            Event::CodeRefused => Bound::of(Anyone, 10, 200),
            Event::Alarm => match self.party() {
                Party::Gateway => Bound::of(Notice, 60, 1_000),
                Party::Subject(_) | Party::Stranger(_) => Bound::of(Notice, 2, 24),
            },
        }
    }

    /// Who has caused it.
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
