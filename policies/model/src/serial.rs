//! The settings of a serial line, and their words in URLs.

use std::fmt;
use std::num::NonZeroU32;

use thiserror::Error;

use crate::text::escape;

/// All settings of a serial line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LineSettings {
    /// Symbols per second.
    pub baud: Baud,
    /// The data bits of a character.
    pub bits: DataBits,
    /// The parity bit.
    pub parity: Parity,
    /// The stop bits.
    pub stop: StopBits,
    /// How one side pauses the other.
    pub flow: FlowControl,
    /// Whether flows use telnet with COM-PORT-OPTION (RFC 2217).
    pub telnet: Telnet,
}

/// Some of the [`LineSettings`]; the others stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LineChange {
    /// See [`LineSettings::baud`].
    pub baud: Option<Baud>,
    /// See [`LineSettings::bits`].
    pub bits: Option<DataBits>,
    /// See [`LineSettings::parity`].
    pub parity: Option<Parity>,
    /// See [`LineSettings::stop`].
    pub stop: Option<StopBits>,
    /// See [`LineSettings::flow`].
    pub flow: Option<FlowControl>,
    /// See [`LineSettings::telnet`].
    pub telnet: Option<Telnet>,
}

/// Symbols per second, from 1 to [`Baud::LIMIT`]. A port may support fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Baud(NonZeroU32);

impl Baud {
    /// The highest rate: what the fastest adapters do.
    pub const LIMIT: u32 = 24_000_000;

    /// Returns `rate` as a baud rate, if it is in range.
    #[must_use]
    pub fn new(rate: u32) -> Option<Self> {
        NonZeroU32::new(rate).filter(|rate| rate.get() <= Self::LIMIT).map(Self)
    }

    /// Returns the rate as a number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for Baud {
    fn default() -> Self {
        Self(NonZeroU32::MIN.saturating_add(9599))
    }
}

impl fmt::Display for Baud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Declares an enum of words. The first one is the default.
macro_rules! words {
    ($(#[$about:meta])* $name:ident {
        $(#[$first_about:meta])* $first:ident = $first_word:literal,
        $($(#[$one_about:meta])* $one:ident = $word:literal,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[$first_about])*
            #[default]
            $first,
            $($(#[$one_about])* $one,)*
        }

        impl $name {
            const ALL: &[Self] = &[Self::$first, $(Self::$one),*];

            /// Returns its word in a URL.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::$first => $first_word,
                    $(Self::$one => $word,)*
                }
            }

            fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The data bits of a character.
    DataBits {
        /// 8
        Eight = "8",
        /// 7
        Seven = "7",
        /// 6
        Six = "6",
        /// 5
        Five = "5",
    }
}

impl DataBits {
    /// Returns whether characters with this number of bits distinguish all of ASCII. With five or
    /// six bits, `M` is a carriage return.
    #[must_use]
    pub fn carry_ascii(self) -> bool {
        match self {
            Self::Eight | Self::Seven => true,
            Self::Six | Self::Five => false,
        }
    }
}

words! {
    /// The parity bit.
    Parity {
        /// No parity bit.
        None = "none",
        /// It makes the number of ones odd.
        Odd = "odd",
        /// It makes the number of ones even.
        Even = "even",
    }
}

words! {
    /// The stop bits.
    StopBits {
        /// 1
        One = "1",
        /// 2
        Two = "2",
    }
}

words! {
    /// How one side pauses the other.
    FlowControl {
        /// It does not.
        None = "none",
        /// With the characters XON and XOFF.
        Software = "software",
        /// With the lines RTS and CTS.
        Hardware = "hardware",
    }
}

words! {
    /// Whether flows use telnet with COM-PORT-OPTION (RFC 2217).
    Telnet {
        /// Flows that begin with a telnet command do.
        Auto = "auto",
        /// All flows do.
        On = "on",
        /// No flow does: every byte is data.
        Off = "off",
    }
}

/// Why a text has no valid line settings.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// No setting has this name.
    #[error(
        "'{}' is no setting of a serial line; they are baud bits parity stop flow telnet", escape(.0)
    )]
    Unknown(String),
    /// A setting is given twice.
    #[error("{0}= is given twice")]
    Repeated(&'static str),
    /// The setting does not have this value.
    #[error("{key}= is {choices}, not '{}'", escape(.value))]
    Value {
        /// The setting.
        key: &'static str,
        /// Its possible values.
        choices: &'static str,
        /// The value that was given.
        value: String,
    },
}

impl LineSettings {
    /// Returns whether `other` sets the line in the same way. Telnet is no setting of the line.
    #[must_use]
    pub fn is_same_line(&self, other: &Self) -> bool {
        Self { telnet: other.telnet, ..*self } == *other
    }

    /// Returns the settings that differ from the defaults.
    fn beside_defaults(&self) -> LineChange {
        let usual = Self::default();
        LineChange {
            baud: (self.baud != usual.baud).then_some(self.baud),
            bits: (self.bits != usual.bits).then_some(self.bits),
            parity: (self.parity != usual.parity).then_some(self.parity),
            stop: (self.stop != usual.stop).then_some(self.stop),
            flow: (self.flow != usual.flow).then_some(self.flow),
            telnet: (self.telnet != usual.telnet).then_some(self.telnet),
        }
    }
}

impl LineChange {
    /// Reads the part of a URL after `?`: `baud=9600&bits=8&parity=none&stop=1&flow=none`.
    ///
    /// # Errors
    /// When a setting is unknown, repeated, or has no such value.
    pub fn parse(query: &str) -> Result<Self, LineError> {
        let mut change = Self::default();
        for part in query.split('&') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key {
                "baud" => {
                    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                    let baud = value.parse().ok().filter(|_| digits).and_then(Baud::new);
                    put("baud", "a number from 1 to 24000000", value, baud, &mut change.baud)?;
                }
                "bits" => {
                    put("bits", "5, 6, 7 or 8", value, DataBits::of_word(value), &mut change.bits)?;
                }
                "parity" => {
                    let parity = Parity::of_word(value);
                    put("parity", "none, odd or even", value, parity, &mut change.parity)?;
                }
                "stop" => {
                    put("stop", "1 or 2", value, StopBits::of_word(value), &mut change.stop)?;
                }
                "flow" => {
                    let flow = FlowControl::of_word(value);
                    put("flow", "none, software or hardware", value, flow, &mut change.flow)?;
                }
                "telnet" => {
                    let telnet = Telnet::of_word(value);
                    put("telnet", "auto, on or off", value, telnet, &mut change.telnet)?;
                }
                other => return Err(LineError::Unknown(other.to_owned())),
            }
        }
        Ok(change)
    }

    /// Returns whether no setting is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns `settings` with this change applied.
    #[must_use]
    pub fn apply(&self, settings: LineSettings) -> LineSettings {
        LineSettings {
            baud: self.baud.unwrap_or(settings.baud),
            bits: self.bits.unwrap_or(settings.bits),
            parity: self.parity.unwrap_or(settings.parity),
            stop: self.stop.unwrap_or(settings.stop),
            flow: self.flow.unwrap_or(settings.flow),
            telnet: self.telnet.unwrap_or(settings.telnet),
        }
    }
}

fn put<T>(
    key: &'static str,
    choices: &'static str,
    value: &str,
    read: Option<T>,
    slot: &mut Option<T>,
) -> Result<(), LineError> {
    if slot.is_some() {
        return Err(LineError::Repeated(key));
    }
    let wrong = || LineError::Value { key, choices, value: value.to_owned() };
    *slot = Some(read.ok_or_else(wrong)?);
    Ok(())
}

/// Writes the change as after `?` in a URL.
impl fmt::Display for LineChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { baud, bits, parity, stop, flow, telnet } = self;
        let all: [(&str, Option<&dyn fmt::Display>); 6] = [
            ("baud", shown(baud)),
            ("bits", shown(bits)),
            ("parity", shown(parity)),
            ("stop", shown(stop)),
            ("flow", shown(flow)),
            ("telnet", shown(telnet)),
        ];
        let given = all.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)));
        for (at, (key, value)) in given.enumerate() {
            let before = if at == 0 { "" } else { "&" };
            write!(f, "{before}{key}={value}")?;
        }
        Ok(())
    }
}

fn shown<T: fmt::Display>(value: &Option<T>) -> Option<&dyn fmt::Display> {
    value.as_ref().map(|value| value as &dyn fmt::Display)
}

/// Writes what differs from 9600 8N1, as after `?` in a URL.
impl fmt::Display for LineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.beside_defaults().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_9600_8n1() {
        let usual = LineSettings::default();
        assert_eq!(usual.baud.get(), 9600);
        assert_eq!(usual.to_string(), "");
        let text = "baud=115200&bits=7&parity=even&stop=2&flow=hardware&telnet=off";
        let change = LineChange::parse(text).unwrap();
        let settings = change.apply(usual);
        assert_eq!((settings.to_string(), change.to_string()), (text.into(), text.into()));
        let some = LineChange::parse("bits=8").unwrap();
        assert_eq!(some.apply(settings), LineSettings { bits: DataBits::Eight, ..settings });
        assert_eq!(some.to_string(), "bits=8");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("", "'' is no setting"),
            ("speed=1", "'speed' is no setting"),
            ("baud=9600&baud=9600", "baud= is given twice"),
            ("baud=0", "baud= is a number from 1 to 24000000, not '0'"),
            ("baud=+1", "not '+1'"),
            ("baud=99999999999", "baud= is a number"),
            ("baud", "baud= is a number"),
            ("bits=9", "bits= is 5, 6, 7 or 8, not '9'"),
            ("parity=mark", "parity= is none, odd or even, not 'mark'"),
            ("stop=1.5", "stop= is 1 or 2"),
            ("flow=rts", "flow= is none, software or hardware"),
            ("telnet=yes", "telnet= is auto, on or off"),
            ("baud=1&", "'' is no setting"),
        ] {
            let error = LineChange::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
