//! Reads the columns of a rule's row.

use super::actions::{Acts, read_acts};
use super::effect::Effect;
use super::error::Reason;
use super::on::read_on;
use super::row::{TableField, TableRow};
use super::who::read_who;

const FORM: &str = "p, who, device or group, path, actions, when, allow|deny";

/// The columns of a rule. A name is its number, if the caller knows it; path and conditions are
/// read later.
pub(crate) struct RuleColumns<'a> {
    pub(crate) who: Result<u32, &'a str>,
    pub(crate) on: Result<u32, &'a str>,
    pub(crate) path: TableField<'a>,
    pub(crate) acts: Acts,
    pub(crate) when: TableField<'a>,
    pub(crate) effect: Effect,
}

/// Reads the columns of a rule. `known_who` and `known_on` return the numbers of names that were
/// read before.
///
/// # Errors
/// The column and the reason if the row is no rule.
pub(crate) fn read_columns<'a>(
    line: &TableRow<'a>,
    known_who: impl Fn(&str) -> Option<u32>,
    known_on: impl Fn(&str) -> Option<u32>,
) -> Result<RuleColumns<'a>, (usize, Reason)> {
    if let Some(first) = line.fields().first().filter(|first| first.text != "p") {
        let found = first.text.to_owned();
        return Err((first.column, Reason::Marker { kind: "a rule", expected: "p", found }));
    }
    let Some([_, who, on, path, acts, when, effect]) = line.exactly() else {
        let column = line.fields().first().map_or(1, |first| first.column);
        let found = line.count();
        return Err((column, Reason::Columns { kind: "a rule", expected: 7, found, form: FORM }));
    };
    let name =
        |known: Option<u32>, field: TableField<'a>, read: &dyn Fn(&str) -> Result<(), Reason>| {
            match known {
                Some(number) => Ok(Ok(number)),
                None => column(field, read).map(|()| Err(field.text)),
            }
        };
    Ok(RuleColumns {
        who: name(known_who(who.text), who, &|text| read_who(text).map(|_| ()))?,
        on: name(known_on(on.text), on, &|text| read_on(text).map(|_| ()))?,
        path: column(path, |_| Ok(())).map(|()| path)?,
        acts: column(acts, read_acts)?,
        when,
        effect: column(effect, read_effect)?,
    })
}

fn column<T>(
    field: TableField<'_>,
    read: impl FnOnce(&str) -> Result<T, Reason>,
) -> Result<T, (usize, Reason)> {
    if field.text.is_empty() {
        return Err((field.column, Reason::Empty));
    }
    read(field.text).map_err(|reason| (field.column, reason))
}

fn read_effect(text: &str) -> Result<Effect, Reason> {
    match text {
        "allow" => Ok(Effect::Allow),
        "deny" => Ok(Effect::Deny),
        other => Err(Reason::Effect(other.to_owned())),
    }
}
