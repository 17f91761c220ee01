//! The options of Modbus interfaces: how the device deviates from the standard.

/// The options of a Modbus interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModbusOptions {
    /// The device answers requests for any unit number (`unit=any`).
    pub any_unit: bool,
    /// The device's tables are views of one memory (`tables=alias`; Modbus Application Protocol
    /// 1.1b3, section 4.3).
    pub aliased_tables: bool,
}

/// The only value of `unit=`.
pub(super) const ANY: &str = "any";
/// The only value of `tables=`.
pub(super) const ALIAS: &str = "alias";

impl ModbusOptions {
    /// Yields the options as in the query of a URL.
    pub(super) fn words(self) -> impl Iterator<Item = String> {
        let unit = self.any_unit.then(|| format!("unit={ANY}"));
        let tables = self.aliased_tables.then(|| format!("tables={ALIAS}"));
        unit.into_iter().chain(tables)
    }
}
