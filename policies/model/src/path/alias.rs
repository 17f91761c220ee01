//! Other names of a message: a device may find the same thing under another unit or table.

use super::{Path, Segment, Table};
use crate::target::Operand;

/// The bits of a register.
const BITS: u16 = 16;
/// The most registers that a queue has after the first one, which has its address (Modbus
/// Application Protocol 1.1b3, section 6.18).
const QUEUE: u16 = 31;

/// Addresses from the first to the last.
type Range = (u16, u16);

impl Path {
    /// Returns the other names of the Modbus message that this path names.
    ///
    /// A queue (`fifo`) is always read from holding registers, so it has their name, too. With
    /// `any_unit` the message reaches every unit. With `aliased_tables` the four tables and the
    /// queues are views of one memory: another table has the same thing at the same address, or
    /// register N holds the bits from 16 N to 16 N + 15. Files, the device's objects and functions
    /// have no addresses there, and so no other names.
    pub(crate) fn modbus_aliases(&self, any_unit: bool, aliased_tables: bool) -> Vec<Self> {
        let [interface, Segment::Unit(unit), Segment::Text(table), Segment::Range(first, last)] =
            &*self.segments
        else {
            return Vec::new();
        };
        let Some(table) = Table::ALL.into_iter().find(|one| one.as_str() == &**table) else {
            return Vec::new();
        };
        let (Ok(first), Ok(last)) = (u16::try_from(*first), u16::try_from(*last)) else {
            return Vec::new();
        };
        let asked = (first, last);
        let unit = if any_unit { 0 } else { *unit };
        let alias = |(table, (first, last)): (Table, Range)| {
            let segments = [
                interface.clone(),
                Segment::Unit(unit),
                Segment::Text(table.shared()),
                Segment::Range(first.into(), last.into()),
            ];
            Self { segments: segments.into(), open: false, topic: false, any_case: false }
        };
        let mut names = Vec::new();
        if aliased_tables {
            names.extend(views(table, asked));
        } else if table == Table::Fifo {
            names.push((Table::Holding, queued(asked)));
        }
        names.retain(|name| *name != (table, asked));
        if any_unit {
            names.push((table, asked));
        }
        let mut aliases: Vec<Self> = names.into_iter().map(alias).collect();
        aliases.retain(|alias| alias != self);
        aliases
    }
}

impl Path {
    /// Returns an HTTP path without its last segment, if that is a part of the query.
    pub(crate) fn without(&self, operand: &Operand) -> Option<Self> {
        let (Segment::Text(last), before) = self.segments.split_last()? else { return None };
        let value = last.strip_prefix('@')?.strip_prefix(operand.key())?.strip_prefix('=');
        let is_part = value.is_some() && !before.is_empty();
        is_part.then(|| Self {
            segments: before.into(),
            open: false,
            topic: false,
            any_case: false,
        })
    }
}

/// Returns the tables and addresses at which one memory may show the asked addresses.
fn views(table: Table, asked: Range) -> Vec<(Table, Range)> {
    let (registers, bits): (Vec<Range>, Vec<Range>) = match table {
        Table::Holding | Table::Input => (vec![asked], both(Some(asked), bits_of(asked))),
        Table::Coil | Table::Discrete => {
            (both(Some(asked), Some(registers_of(asked))), vec![asked])
        }
        Table::Fifo => (vec![queued(asked)], both(Some(queued(asked)), bits_of(queued(asked)))),
        Table::File | Table::Device | Table::Function => return Vec::new(),
    };
    let mut all = Vec::new();
    for range in registers {
        all.extend([(Table::Holding, range), (Table::Input, range), (Table::Fifo, queues(range))]);
    }
    for range in bits {
        all.extend([(Table::Coil, range), (Table::Discrete, range)]);
    }
    all
}

/// Returns both ranges, or one if they are equal.
fn both(one: Option<Range>, other: Option<Range>) -> Vec<Range> {
    let mut all: Vec<Range> = one.into_iter().chain(other).collect();
    all.dedup();
    all
}

/// Returns the bits that registers hold. The bits of registers from 4096 on have no addresses.
fn bits_of((first, last): Range) -> Option<Range> {
    let first = first.checked_mul(BITS)?;
    let last = last.checked_mul(BITS).and_then(|last| last.checked_add(BITS - 1));
    Some((first, last.unwrap_or(u16::MAX)))
}

/// Returns the registers that hold bits.
fn registers_of((first, last): Range) -> Range {
    (first / BITS, last / BITS)
}

/// Returns the registers that queues are read from.
fn queued((first, last): Range) -> Range {
    (first, last.saturating_add(QUEUE))
}

/// Returns the queues that are read from registers.
fn queues((first, last): Range) -> Range {
    (first.saturating_sub(QUEUE), last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::action::Action;
    use crate::protocol::Protocol;

    fn path(text: &str) -> Path {
        Path::parse(Protocol::Modbus, Action::Read, text).unwrap()
    }

    fn aliases(text: &str, any_unit: bool, aliased_tables: bool) -> Vec<String> {
        path(text).modbus_aliases(any_unit, aliased_tables).iter().map(Path::raw).collect()
    }

    #[test]
    fn a_message_has_no_other_name_unless_its_device_says_so() {
        for text in ["m/1/holding/7", "m/0/coil/1-9", "m/1/file/4", "m/1/function/8"] {
            assert!(aliases(text, false, false).is_empty(), "{text}");
        }
        assert!(Path::literal("m").unwrap().modbus_aliases(true, true).is_empty());
        // A queue is always made of registers.
        assert_eq!(aliases("m/1/fifo/100", false, false), ["m/1/holding/100-131"]);
        assert_eq!(aliases("m/1/fifo/65530", false, false), ["m/1/holding/65530-65535"]);
    }

    #[test]
    fn any_unit_is_every_unit() {
        assert_eq!(aliases("m/1/holding/7", true, false), ["m/0/holding/7"]);
        assert_eq!(aliases("m/9/function/8", true, false), ["m/0/function/8"]);
        assert_eq!(aliases("m/9/file/2", true, false), ["m/0/file/2"]);
        assert!(aliases("m/0/holding/7", true, false).is_empty(), "it is that already");
        assert_eq!(aliases("m/1/fifo/7", true, false), ["m/0/holding/7-38", "m/0/fifo/7"]);
    }

    #[test]
    fn one_memory_is_seen_by_its_addresses_and_by_its_bits() {
        let of = |text| aliases(text, false, true);
        assert_eq!(
            of("m/1/holding/100-101"),
            [
                "m/1/input/100-101",
                "m/1/fifo/69-101",
                "m/1/coil/100-101",
                "m/1/discrete/100-101",
                "m/1/coil/1600-1631",
                "m/1/discrete/1600-1631",
            ]
        );
        assert_eq!(
            of("m/1/coil/47-48"),
            [
                "m/1/holding/47-48",
                "m/1/input/47-48",
                "m/1/fifo/16-48",
                "m/1/holding/2-3",
                "m/1/input/2-3",
                "m/1/fifo/0-3",
                "m/1/discrete/47-48",
            ]
        );
        // Bits of this register have no addresses.
        assert_eq!(of("m/1/input/4096").len(), 4);
        assert!(of("m/1/input/4095").contains(&"m/1/coil/65520-65535".to_owned()));
        assert!(of("m/1/input/4095-9000").contains(&"m/1/coil/65520-65535".to_owned()));
        for text in ["m/1/file/4", "m/1/device/0-2", "m/1/function/90"] {
            assert!(of(text).is_empty(), "{text}");
        }
        assert_eq!(aliases("m/3/coil/5", true, true).len(), 8);
        assert!(aliases("m/3/coil/5", true, true).iter().all(|one| one.starts_with("m/0/")));
    }

    #[test]
    fn a_part_of_a_query_is_left_out() {
        let target: crate::Target = "http://web:80?operand=query:cmd&paths=exact".parse().unwrap();
        let aliases = |text: &str| {
            let names = target.inspected().unwrap().aliases(&Path::literal(text).unwrap());
            names.iter().map(Path::raw).collect::<Vec<_>>()
        };
        assert_eq!(aliases("web/a/@cmd=x"), ["web/a"]);
        assert_eq!(aliases("web/a//@cmd="), ["web/a/"]);
        for none in ["web/a", "web/@cmd=x/a", "web/a/@cmdx=1", "web/a/@cmd", "@cmd=x", "web/@x=1"] {
            assert!(aliases(none).is_empty(), "{none}");
        }
        let plain: crate::Target = "http://web:80?paths=exact".parse().unwrap();
        let path = Path::literal("web/a/@cmd=x").unwrap();
        assert!(plain.inspected().unwrap().aliases(&path).is_empty());
    }

    const VIEWS: [&str; 5] = ["holding", "input", "coil", "discrete", "fifo"];

    proptest! {
        /// If one message has an alias that meets another message, the reverse is true as well.
        #[test]
        fn aliases_go_both_ways(
            one in prop::sample::select(&VIEWS[..]), other in prop::sample::select(&VIEWS[..]),
            (first, more) in (0..70_u16, 0..40_u16), (second, further) in (0..1200_u16, 0..40_u16),
        ) {
            let one = path(&format!("m/1/{one}/{first}-{}", first + more));
            let other = path(&format!("m/1/{other}/{second}-{}", second + further));
            let meet = |one: &Path, other: &Path| {
                match (one.segments(), other.segments()) {
                    ([.., one, Segment::Range(a, b)], [.., other, Segment::Range(c, d)]) => {
                        one == other && a <= d && c <= b
                    }
                    _ => false,
                }
            };
            let names = |path: &Path| {
                path.modbus_aliases(false, true).into_iter().chain([path.clone()]).collect::<Vec<_>>()
            };
            let there = names(&one).iter().any(|name| meet(name, &other));
            let back = names(&other).iter().any(|name| meet(name, &one));
            prop_assert_eq!(there, back, "{} {}", one, other);
        }

        #[test]
        fn there_are_few_aliases(
            table in prop::sample::select(&VIEWS[..]), first in any::<u16>(), last in any::<u16>(),
            any_unit in any::<bool>(), aliased_tables in any::<bool>(), unit in any::<u8>(),
        ) {
            let (first, last) = (first.min(last), first.max(last));
            let path = path(&format!("m/{unit}/{table}/{first}-{last}"));
            let aliases = path.modbus_aliases(any_unit, aliased_tables);
            prop_assert!(aliases.len() <= 9, "{aliases:?}");
            prop_assert!(!aliases.contains(&path));
            for alias in &aliases {
                let read = Path::parse(Protocol::Modbus, Action::Read, &alias.raw());
                prop_assert_eq!(read.as_ref(), Ok(alias));
            }
        }
    }
}
