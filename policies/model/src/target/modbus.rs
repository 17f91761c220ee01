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
const ANY: &str = "any";
/// The only value of `tables=`.
const ALIAS: &str = "alias";

impl ModbusOptions {
    /// Reads one option of a query. `None` if it is no option of Modbus, and `false` if it does not
    /// have that value.
    pub(super) fn take(&mut self, key: &str, word: &str) -> Option<bool> {
        let (option, only) = match key {
            "unit" => (&mut self.any_unit, ANY),
            "tables" => (&mut self.aliased_tables, ALIAS),
            _ => return None,
        };
        *option = word == only;
        Some(*option)
    }

    /// Yields the options that differ from the defaults, as in the query of a URL.
    pub(super) fn words(self) -> impl Iterator<Item = String> {
        let unit = self.any_unit.then(|| format!("unit={ANY}"));
        let tables = self.aliased_tables.then(|| format!("tables={ALIAS}"));
        unit.into_iter().chain(tables)
    }
}
