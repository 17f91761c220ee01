//! How a Modbus device reads its requests, where that is not as the standard has it by default.

/// The options of a Modbus interface that its URL declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModbusOptions {
    /// The device answers requests for any unit, whatever number they carry (`unit=any`).
    pub any_unit: bool,
    /// The device's tables are views of one memory (`tables=alias`; Modbus Application Protocol
    /// 1.1b3, section 4.3).
    pub aliased_tables: bool,
}

/// The one value of `unit=`.
pub(super) const ANY: &str = "any";
/// The one value of `tables=`.
pub(super) const ALIAS: &str = "alias";

impl ModbusOptions {
    /// As in the query of a URL.
    pub(super) fn words(self) -> impl Iterator<Item = String> {
        let unit = self.any_unit.then(|| format!("unit={ANY}"));
        let tables = self.aliased_tables.then(|| format!("tables={ALIAS}"));
        unit.into_iter().chain(tables)
    }
}
