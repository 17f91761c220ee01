//! `doorward policy` who-can and what-can, and how previews print what they open and close.

use std::collections::BTreeSet;

use doorward_api::{
    FirstOf, GrantChangesView, GrantView, NarrowedView, WhatCanRequest, WhoCanRequest, endpoint,
};
use doorward_model::{Action, escape};

use super::client::{AdminClient, when_any};
use super::output::Output;
use crate::failure::CommandFailure;

/// Grants that differ in their actions only, in one row.
struct GrantRow<'a> {
    grant: &'a GrantView,
    actions: BTreeSet<Action>,
}

impl<'a> GrantRow<'a> {
    /// Joins neighbours that differ in their actions only.
    fn of(grants: &'a [GrantView]) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        for grant in grants {
            let alike = |row: &&mut Self| {
                let other = GrantView { action: grant.action, ..row.grant.clone() };
                *grant == other
            };
            match rows.iter_mut().rev().take_while(|row| is_near(row.grant, grant)).find(alike) {
                Some(row) => drop(row.actions.insert(grant.action)),
                None => rows.push(Self { grant, actions: BTreeSet::from([grant.action]) }),
            }
        }
        rows
    }

    fn actions(&self) -> String {
        self.actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

fn is_near(one: &GrantView, other: &GrantView) -> bool {
    (&one.subject, &one.interface) == (&other.subject, &other.interface)
}

/// What other rules take off a grant.
fn except(grant: &GrantView) -> String {
    let one = |exclusion: &doorward_api::ExclusionView| {
        let operand = match exclusion.operand.as_str() {
            "" => "all",
            operand => operand,
        };
        let mut text = format!("{} (policy.csv:{}", escape(operand), exclusion.rule);
        if exclusion.suspended {
            text.push_str(", suspended");
        }
        if !exclusion.when.is_empty() {
            text.push_str(&format!(", when {}", escape(&exclusion.when)));
        }
        text + ")"
    };
    grant.except.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The roles that lead to a grant.
fn through(grant: &GrantView) -> String {
    grant.via.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ")
}

fn cells(row: &GrantRow<'_>) -> Vec<String> {
    let grant = row.grant;
    vec![
        grant.interface.clone(),
        row.actions(),
        escape(&grant.operand).to_string(),
        except(grant),
        format!("policy.csv:{}", grant.rule),
        escape(&grant.when).to_string(),
        when_any(grant.until),
        through(grant),
    ]
}

const HEADINGS: [&str; 8] =
    ["INTERFACE", "ACTIONS", "OPERAND", "EXCEPT", "BY", "WHEN", "UNTIL", "THROUGH"];

/// Prints rows without the columns in which nothing stands.
fn table(headings: &[&str], rows: &[Vec<String>], out: &Output) -> String {
    let used: Vec<usize> = (0..headings.len())
        .filter(|column| {
            rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()))
        })
        .collect();
    let pick = |row: &[String]| used.iter().filter_map(|at| row.get(*at).cloned()).collect();
    let headings: Vec<&str> = used.iter().filter_map(|at| headings.get(*at).copied()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| pick(row)).collect();
    out.table(&headings, &rows)
}

pub(super) async fn what_can(
    request: &WhatCanRequest,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let grants = client.call::<endpoint::WhatCan>(&[], request).await?.items;
    out.print(&grants, |grants| {
        let rows: Vec<_> = GrantRow::of(grants).iter().map(cells).collect();
        if rows.is_empty() { "nothing".to_owned() } else { table(&HEADINGS, &rows, out) }
    })
}

pub(super) async fn who_can(
    request: &WhoCanRequest,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let grants = client.call::<endpoint::WhoCan>(&[], request).await?.items;
    out.print(&grants, |grants| {
        let row = |row: &GrantRow<'_>| {
            let extent = if row.grant.whole { "all" } else { "a part" };
            [vec![row.grant.subject.to_string(), extent.to_owned()], cells(row)].concat()
        };
        let rows: Vec<_> = GrantRow::of(grants).iter().map(row).collect();
        if rows.is_empty() {
            return "nobody".to_owned();
        }
        table(&[&["SUBJECT", "MAY DO"], &HEADINGS[..]].concat(), &rows, out)
    })
}

/// Prints a grant in one line.
fn line(row: &GrantRow<'_>) -> String {
    let grant = row.grant;
    let operand = if grant.operand.is_empty() { "" } else { "/" };
    let mut text = format!(
        "{} {} {}{operand}{}",
        grant.subject,
        row.actions(),
        grant.interface,
        escape(&grant.operand)
    );
    let mut add = |word: &str, what: &str| {
        if !what.is_empty() {
            text.push_str(&format!(", {word}{what}"));
        }
    };
    add("except ", &except(grant));
    add("when ", &escape(&grant.when).to_string());
    add("until ", &when_any(grant.until));
    add("through ", &through(grant));
    format!("{text} (policy.csv:{})", grant.rule)
}

/// Adds the lines of what a change opens, closes and narrows.
pub(super) fn changes(changes: &GrantChangesView, out: &Output, lines: &mut Vec<String>) {
    let GrantChangesView { opened, closed, narrowed, complete } = changes;
    grants(("may from then on", opened), |text| out.good(&format!("+ {text}")), out, lines);
    grants(("may not any more", closed), |text| out.bad(&format!("- {text}")), out, lines);
    if narrowed.count > 0 {
        lines.push(out.bold(&format!("may only in part ({})", narrowed.count)));
        for NarrowedView { was, now } in &narrowed.first {
            let was = std::slice::from_ref(was);
            let shown = |row: &GrantRow<'_>| out.bad(&format!("- {}", line(row)));
            lines.extend(GrantRow::of(was).iter().map(shown));
            let left = |row: &GrantRow<'_>| format!("    still {}", line(row));
            lines.extend(GrantRow::of(now).iter().map(left));
        }
        more(narrowed.count, narrowed.first.len(), lines);
    }
    if !complete {
        let note = "  (there are too many rules, interfaces and subjects to compare all; the lists \
                    cover the first subjects)";
        lines.push(note.to_owned());
    }
}

/// Adds a line for each grant that a proposed change opens.
pub(super) fn opened(opened: &FirstOf<GrantView>, lines: &mut Vec<String>) {
    let shown = |row: &GrantRow<'_>| format!("{:<15}{}", "", line(row));
    lines.extend(GrantRow::of(&opened.first).iter().map(shown));
    more(opened.count, opened.first.len(), lines);
}

fn grants(
    (title, listed): (&str, &FirstOf<GrantView>),
    mark: impl Fn(&str) -> String,
    out: &Output,
    lines: &mut Vec<String>,
) {
    if listed.count == 0 {
        return;
    }
    lines.push(out.bold(&format!("{title} ({})", listed.count)));
    lines.extend(GrantRow::of(&listed.first).iter().map(|row| mark(&line(row))));
    more(listed.count, listed.first.len(), lines);
}

/// Adds how many items are not listed.
fn more(count: usize, listed: usize, lines: &mut Vec<String>) {
    if listed < count {
        lines.push(format!("  and {} more", count - listed));
    }
}
