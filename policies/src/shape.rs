//! Made-up bundles of any size.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use doorward_model::{Group, Role};

use crate::bundle::BundleText;

/// The form of a made-up bundle for benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Rules for many roles and groups, with similar paths.
    Spread,
    /// Rules for one role on one group, each with a path of its own.
    OneCell,
    /// Overlapping ranges of Modbus addresses, for a hundred roles.
    Ranges,
    /// Fifty roles on twenty groups, all of which one subject and one device have.
    ManyRoles,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 4] = [Self::Spread, Self::OneCell, Self::Ranges, Self::ManyRoles];

    /// Returns the shape's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::OneCell => "one-cell",
            Self::Ranges => "ranges",
            Self::ManyRoles => "many-roles",
        }
    }

    /// Returns a bundle of that shape with `rules` rules.
    #[must_use]
    pub fn text(self, rules: usize) -> BundleText {
        let mut policy = String::with_capacity(rules * 64);
        for number in 0..rules {
            self.rule(number, rules, &mut policy);
        }
        let none = String::new;
        BundleText { policy, roles: none(), groups: none(), tests: none(), ..BundleText::default() }
    }

    fn rule(self, number: usize, rules: usize, out: &mut String) {
        // Writing to a String cannot fail.
        let mut line = |line: fmt::Arguments<'_>| out.write_fmt(line).unwrap_or_default();
        // A number that looks random but is always the same.
        let mixed = number.wrapping_mul(0x9e37_79b1) >> 7;
        let effect = if number % 100 == 99 { "deny" } else { "allow" };
        let when = match number % 10 {
            3 => "from=10.0.0.0/8|192.168.0.0/16",
            7 => "time=Mon-Fri 07:00-19:00 Europe/Berlin",
            // Most deny rules are for other times.
            9 => "until=2020-01-01T00:00:00Z",
            _ => "",
        };
        match self {
            Self::Spread => {
                let many = rules.isqrt().max(1);
                let (role, group) = (number % many, number / many);
                let path = match mixed % 4 {
                    _ if effect == "deny" => "web/secret/**",
                    0 => "web/**",
                    1 => "ssh",
                    2 => "modbus/*/holding/0-99",
                    _ => "mqtt/state/*",
                };
                line(format_args!(
                    "p, role/r{role}, group/g{group}, {path}, *, {when}, {effect}\n"
                ));
            }
            Self::OneCell => {
                let (zone, item) = (number / 1000, number % 1000);
                let path = if effect == "deny" { "secret/**" } else { "*" };
                line(format_args!(
                    "p, role/r0, group/g0, web/zone-{zone}/item-{item}/{path}, get|post, {when}, {effect}\n"
                ));
            }
            Self::Ranges => {
                let (role, group, unit) = (number % 100, number / 100 % 10, mixed % 16 + 1);
                let first = mixed / 16 % 64000;
                let last = first + mixed / 3 % 1500;
                line(format_args!(
                    "p, role/r{role}, group/g{group}, modbus/{unit}/holding/{first}-{last}, read, {when}, {effect}\n"
                ));
            }
            Self::ManyRoles => {
                let (role, group, page) = (number % 50, number / 50 % 20, number / 1000);
                let path = if effect == "deny" { "/secret" } else { "" };
                line(format_args!(
                    "p, role/r{role}, group/g{group}, web/page-{page}{path}, get, {when}, {effect}\n"
                ));
            }
        }
    }

    /// Returns the roles and groups that every subject and device has, in addition to those of the
    /// rule in question.
    pub(crate) fn held(self) -> (Vec<Role>, Vec<Group>) {
        if self != Self::ManyRoles {
            return (vec![], vec![]);
        }
        let roles = (0..50).filter_map(|number| format!("role/r{number}").parse().ok());
        let groups = (0..20).filter_map(|number| format!("group/g{number}").parse().ok());
        (roles.collect(), groups.collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|shape| shape.as_str() == text);
        found.ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|shape| shape.as_str()).collect();
            format!("'{}' is no shape; there are {}", doorward_model::escape(text), all.join(" "))
        })
    }
}
