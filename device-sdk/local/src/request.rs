//! What can be asked of a serial line beside its data.

use std::mem::discriminant;

use doorward_model::{Baud, DataBits, FlowControl, LineSettings, Parity, StopBits};

/// What is asked of a line beside its data. `None` asks for what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineRequest {
    /// Symbols a second.
    Baud(Option<Baud>),
    /// The bits of a character.
    Bits(Option<DataBits>),
    /// The bit that guards them.
    Parity(Option<Parity>),
    /// The bits that end a character.
    Stop(Option<StopBits>),
    /// Flow control of what goes to the line.
    Flow(Option<FlowControl>),
    /// Of what comes from it. There is one setting for both.
    FlowBack(Option<FlowControl>),
    /// Whether a break is sent.
    Break(Option<bool>),
    /// The line DTR.
    Dtr(Option<bool>),
    /// The line RTS.
    Rts(Option<bool>),
    /// Discards what has not arrived yet.
    Purge(Purge),
    /// Which changes of the modem's lines are told.
    Modem(u8),
}

/// Which bytes on their way are discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// From the line to whoever reads it.
    FromLine,
    /// From whoever writes to the line.
    ToLine,
    /// Both.
    Both,
}

impl Purge {
    /// Whether what was written to the line is discarded.
    #[must_use]
    pub fn is_to_line(self) -> bool {
        self != Self::FromLine
    }

    /// Whether what the line has said is discarded.
    #[must_use]
    pub fn is_from_line(self) -> bool {
        self != Self::ToLine
    }
}

impl LineRequest {
    /// Whether this asks for the same thing, whatever it is to be.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other)
    }

    /// Whether it may change how characters are sent.
    pub(crate) fn sets(self) -> bool {
        match self {
            Self::Baud(to) => to.is_some(),
            Self::Bits(to) => to.is_some(),
            Self::Parity(to) => to.is_some(),
            Self::Stop(to) => to.is_some(),
            Self::Flow(to) | Self::FlowBack(to) => to.is_some(),
            Self::Break(to) => to == Some(true),
            Self::Dtr(_) | Self::Rts(_) | Self::Purge(_) | Self::Modem(_) => false,
        }
    }

    /// What puts back what this changes, to how the line was `before`.
    #[must_use]
    pub fn undone(self, before: &InForce) -> Option<Self> {
        let changes = match self {
            Self::Break(to) | Self::Dtr(to) | Self::Rts(to) => to.is_some(),
            other => other.sets(),
        };
        changes.then(|| self.told(before))
    }

    /// The same, with what is in force: how it is answered.
    #[must_use]
    pub fn told(self, in_force: &InForce) -> Self {
        let InForce { settings, dtr, rts, sends_break } = in_force;
        match self {
            Self::Baud(_) => Self::Baud(Some(settings.baud)),
            Self::Bits(_) => Self::Bits(Some(settings.bits)),
            Self::Parity(_) => Self::Parity(Some(settings.parity)),
            Self::Stop(_) => Self::Stop(Some(settings.stop)),
            Self::Flow(_) => Self::Flow(Some(settings.flow)),
            Self::FlowBack(_) => Self::FlowBack(Some(settings.flow)),
            Self::Break(_) => Self::Break(Some(*sends_break)),
            Self::Dtr(_) => Self::Dtr(Some(*dtr)),
            Self::Rts(_) => Self::Rts(Some(*rts)),
            Self::Purge(_) | Self::Modem(_) => self,
        }
    }
}

/// How a line is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// How characters are sent.
    pub settings: LineSettings,
    /// The line DTR.
    pub dtr: bool,
    /// The line RTS.
    pub rts: bool,
    /// Whether a break is sent.
    pub sends_break: bool,
}

impl InForce {
    /// As a line is after it was opened.
    #[must_use]
    pub fn new(settings: LineSettings) -> Self {
        Self { settings, dtr: true, rts: true, sends_break: false }
    }

    /// With what a request asks for, as if it had been done.
    #[must_use]
    pub fn with(mut self, request: LineRequest) -> Self {
        fn put<T>(place: &mut T, to: Option<T>) {
            if let Some(to) = to {
                *place = to;
            }
        }
        let Self { settings, dtr, rts, sends_break } = &mut self;
        match request {
            LineRequest::Baud(to) => put(&mut settings.baud, to),
            LineRequest::Bits(to) => put(&mut settings.bits, to),
            LineRequest::Parity(to) => put(&mut settings.parity, to),
            LineRequest::Stop(to) => put(&mut settings.stop, to),
            LineRequest::Flow(to) | LineRequest::FlowBack(to) => put(&mut settings.flow, to),
            LineRequest::Break(to) => put(sends_break, to),
            LineRequest::Dtr(to) => put(dtr, to),
            LineRequest::Rts(to) => put(rts, to),
            LineRequest::Purge(_) | LineRequest::Modem(_) => {}
        }
        self
    }
}

/// The lines that a modem sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modem {
    /// Clear to send.
    pub cts: bool,
    /// The data set is ready.
    pub dsr: bool,
    /// It rings.
    pub ring: bool,
    /// A carrier is heard.
    pub carrier: bool,
}

impl Modem {
    /// RFC 2217, NOTIFY-MODEMSTATE: the upper half is the lines, the lower what changed.
    #[must_use]
    pub fn notice(self, before: Self) -> u8 {
        let bits = |cts, dsr, ring, carrier| {
            u8::from(cts) | u8::from(dsr) << 1 | u8::from(ring) << 2 | u8::from(carrier) << 3
        };
        let now = bits(self.cts, self.dsr, self.ring, self.carrier);
        let changed = bits(
            self.cts != before.cts,
            self.dsr != before.dsr,
            // Of this line only its end is told.
            before.ring && !self.ring,
            self.carrier != before.carrier,
        );
        now << 4 | changed
    }

    /// What a notice says they are.
    #[must_use]
    pub fn of_notice(notice: u8) -> Self {
        let has = |bit| notice & bit != 0;
        Self { cts: has(0x10), dsr: has(0x20), ring: has(0x40), carrier: has(0x80) }
    }
}

/// What is told beside the line's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for, with what is in force after it.
    Done(LineRequest),
    /// A notice of what the modem's lines are.
    Modem(u8),
}
