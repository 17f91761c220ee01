//! The operations of an interface, and which rules can match one of them. Reviews, `lint` and
//! `apply` all ask here.

#[cfg(test)]
mod tests;

use doorward_model::{Action, Inspected, Operand, OperandForm, Protocol, Table, Target};

use crate::pattern::{NumberRange, Pattern, PatternPiece};
use crate::rule::{Effect, Rule};

/// The operations of an interface, or of the administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceOperations<'a> {
    protocol: Protocol,
    /// The part of HTTP queries that the interface decides.
    decided: Option<&'a Operand>,
    /// Whether lines of text are decided. Then nobody sets the serial line.
    lined: bool,
    /// Whether deny rules meet what a device may read a path as.
    read: bool,
}

/// What a rule can match at an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Matched {
    /// No operation.
    Nothing,
    /// Only operations on many things at once: subscriptions with a wildcard, or broadcasts of
    /// Modbus. Only deny rules match such an operation in part.
    Sets,
    /// Operations on one thing, too. It may also be that nobody knows.
    Operations,
}

impl<'a> InterfaceOperations<'a> {
    /// Returns the operations of an interface with this target.
    pub(crate) fn at(target: &'a Target) -> Self {
        let http = target.inspected().and_then(Inspected::http);
        let decided = http.and_then(|http| http.operand.as_ref());
        let read = http.is_some_and(|http| !http.exact_paths);
        Self { protocol: target.protocol(), decided, lined: target.lines().is_some(), read }
    }

    /// Returns the operations of the administration.
    pub(crate) fn administration() -> Self {
        Self { protocol: Protocol::Administration, decided: None, lined: false, read: false }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the part of HTTP queries that the interface decides.
    pub(crate) fn decided(&self) -> Option<&'a Operand> {
        self.decided
    }

    /// Returns whether somebody can ask for the action.
    pub(crate) fn has(&self, action: Action) -> bool {
        self.protocol.actions().contains(&action) && !(self.lined && action == Action::Control)
    }

    /// Returns whether nothing follows the interface's name in a question with that action.
    pub(crate) fn is_whole(&self, action: Action) -> bool {
        match self.protocol.operand() {
            OperandForm::Nothing => true,
            OperandForm::Topic => action == Action::Connect,
            OperandForm::Parts
            | OperandForm::HttpPath
            | OperandForm::CoapPath
            | OperandForm::Addresses => false,
        }
    }

    /// Returns what a rule can match. That it is nothing is certain.
    pub(crate) fn matched_by(&self, rule: &Rule) -> Matched {
        let mut most = Matched::Nothing;
        for action in self.protocol.actions() {
            if rule.acts().include(*action) && most != Matched::Operations {
                most = most.max(self.matched(rule.path(), *action, rule.effect()));
            }
        }
        most
    }

    /// Returns what a rule with this path can match for one action.
    pub(crate) fn matched(&self, path: &Pattern, action: Action, effect: Effect) -> Matched {
        if !self.has(action) || self.never_by(path, effect).is_some() {
            return Matched::Nothing;
        }
        match self.protocol.operand() {
            OperandForm::Parts => Matched::Operations,
            OperandForm::Nothing
            | OperandForm::HttpPath
            | OperandForm::CoapPath
            | OperandForm::Topic
            | OperandForm::Addresses => self.fit(&path.operand(), action, effect),
        }
    }

    /// Returns why no request has a path of these segments, the interface's name first; `None`
    /// stands for `*`.
    pub(crate) fn never(&self, path: &[Option<&str>]) -> Option<String> {
        self.protocol.operand().never(path, self.decided)
    }

    /// Returns why a rule with this path matches no request.
    pub(crate) fn never_by(&self, path: &Pattern, effect: Effect) -> Option<String> {
        let (_, open) = path.pieces();
        let mut texts: Vec<Option<&str>> = path.texts().collect();
        let never = |texts: &[Option<&str>]| match effect {
            Effect::Deny if self.read => self.protocol.operand().never_read(texts, self.decided),
            Effect::Allow | Effect::Deny => self.never(texts),
        };
        let ends_there = never(&texts)?;
        if !open {
            return Some(ends_there);
        }
        // Further segments may follow the last one that is written.
        texts.push(None);
        never(&texts).map(|_| ends_there)
    }

    /// Returns what has the shape of a pattern of what follows the interface's name.
    pub(crate) fn fit(&self, operand: &Pattern, action: Action, effect: Effect) -> Matched {
        let (pieces, open) = operand.pieces();
        let length = pieces.count();
        if self.is_whole(action) {
            return some(length == 0);
        }
        match self.protocol.operand() {
            OperandForm::Nothing | OperandForm::CoapPath | OperandForm::Parts => some(true),
            OperandForm::HttpPath => some(length > 0 || open),
            OperandForm::Topic => of_topics(operand, action, effect),
            OperandForm::Addresses => of_addresses(operand, effect),
        }
    }
}

fn some(is: bool) -> Matched {
    if is { Matched::Operations } else { Matched::Nothing }
}

/// Returns which topics have the shape of a pattern. A topic has neither `+` nor `#`, but a pattern
/// may have them as text.
fn of_topics(operand: &Pattern, action: Action, effect: Effect) -> Matched {
    let (_, open) = operand.pieces();
    let texts: Vec<Option<&str>> = operand.texts().collect();
    let is_topic = |text: &str| !text.contains(['+', '#', '\0']);
    let is_empty = !open && matches!(texts.as_slice(), [] | [Some("")]);
    if !is_empty && texts.iter().flatten().all(|text| is_topic(text)) {
        return Matched::Operations;
    }
    // A subscription with a wildcard meets any text, but not a first level that begins with $.
    let met = match texts.first() {
        Some(Some(root)) if root.starts_with('$') => is_topic(root),
        Some(_) | None => true,
    };
    let sets = effect == Effect::Deny && action == Action::Subscribe && met;
    if sets { Matched::Sets } else { Matched::Nothing }
}

/// Returns which addresses of Modbus have the shape of a pattern.
fn of_addresses(operand: &Pattern, effect: Effect) -> Matched {
    let (pieces, open) = operand.pieces();
    let pieces: Vec<_> = pieces.collect();
    let long_enough = if open { pieces.len() <= 3 } else { pieces.len() == 3 };
    let mut pieces = pieces.iter();
    let (unit, table, numbers) = (pieces.next(), pieces.next(), pieces.next());
    let named = table.and_then(text);
    let table = named.map(Table::named);
    let largest = largest(table.flatten());
    let within = |(first, _): (u32, u32)| first <= largest;
    if !long_enough || table == Some(None) || !numbers.is_none_or(|one| is_range(one, within)) {
        return Matched::Nothing;
    }
    // Unit 0 is in no range: a rule names it alone.
    let is_unit = |range: (u32, u32)| range.0 <= 255 && range.1 > 0;
    let zero = |piece: &PatternPiece<'_>| {
        matches!(piece, PatternPiece::Text { range: Some(NumberRange::ZERO), .. })
    };
    if unit.is_none_or(|one| zero(one) || is_range(one, is_unit)) {
        return Matched::Operations;
    }
    match effect {
        Effect::Allow => Matched::Nothing,
        // A broadcast meets every unit, whatever its name is.
        Effect::Deny => Matched::Sets,
    }
}

/// Returns the largest number of a table.
pub(crate) fn largest(table: Option<Table>) -> u32 {
    match table {
        Some(Table::Device | Table::Function) => 255,
        Some(
            Table::Coil
            | Table::Discrete
            | Table::Input
            | Table::Holding
            | Table::File
            | Table::Fifo,
        )
        | None => NumberRange::LARGEST,
    }
}

fn text<'a>(piece: &'a PatternPiece<'_>) -> Option<&'a str> {
    match piece {
        PatternPiece::One => None,
        PatternPiece::Text { text, .. } => Some(text),
    }
}

/// Returns whether a segment is `*`, or a range that is `right`.
fn is_range(piece: &PatternPiece<'_>, right: impl Fn((u32, u32)) -> bool) -> bool {
    match piece {
        PatternPiece::One => true,
        PatternPiece::Text { range: Some(range), .. } => right((range.first, range.last)),
        PatternPiece::Text { range: None, .. } => false,
    }
}
