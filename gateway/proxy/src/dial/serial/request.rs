use doorward_model::{Baud, DataBits, FlowControl, LineSettings, Parity, StopBits};

/// What a client asks of a line beside its data. `None` asks for what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineRequest {
    Baud(Option<Baud>),
    Bits(Option<DataBits>),
    Parity(Option<Parity>),
    Stop(Option<StopBits>),
    /// Of what goes to the line.
    Flow(Option<FlowControl>),
    /// Of what comes from it. There is one setting for both.
    FlowBack(Option<FlowControl>),
    Break(Option<bool>),
    Dtr(Option<bool>),
    Rts(Option<bool>),
    /// Discards what has not arrived yet.
    Purge(Purge),
    /// Which changes of the modem's lines are told.
    Modem(u8),
}

/// Which bytes on their way are discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purge {
    /// From the line to the client.
    FromLine,
    /// From the client to the line.
    ToLine,
    Both,
}

/// How a line is set and what its modem says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) settings: LineSettings,
    pub(crate) dtr: bool,
    pub(crate) rts: bool,
    pub(crate) sends_break: bool,
    pub(crate) modem: Modem,
}

impl InForce {
    /// As a line is after it was opened.
    pub(super) fn new(settings: LineSettings) -> Self {
        let modem = Modem::default();
        Self { settings, dtr: true, rts: true, sends_break: false, modem }
    }
}

/// The lines that a modem sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modem {
    pub(crate) cts: bool,
    pub(crate) dsr: bool,
    pub(crate) ring: bool,
    pub(crate) carrier: bool,
}

impl Modem {
    /// RFC 2217, NOTIFY-MODEMSTATE: the upper half is the lines, the lower what changed.
    pub(super) fn notice(self, before: Self) -> u8 {
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
}

/// What a client is told beside the line's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What was asked for, and what is in force after it.
    Done(LineRequest, InForce),
    /// What the modem's lines are.
    Modem(u8),
}
