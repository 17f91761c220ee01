//! Why a rule matches nothing at an interface, and the nearest spelling that does.

use doorward_model::{Action, OperandForm, PeerText, Protocol, Table, nearest};

use crate::operations::{InterfaceOperations, Matched, largest};
use crate::pattern::{NumberRange, Pattern, PatternPiece};
use crate::rule::{Effect, Rule};

/// What is wrong with a rule at an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misspelling {
    /// Whether the actions are wrong. Otherwise the path is.
    pub(crate) of_actions: bool,
    /// What is wrong, in words.
    pub(crate) why: String,
    /// What to write in that column instead. With it, the column is right.
    pub(crate) instead: Option<String>,
}

/// The longest spelling that is proposed, in bytes.
const LONGEST: usize = 200;

/// Returns what is wrong with a rule that matches nothing there, or sets only.
pub(super) fn misspelling(operations: &InterfaceOperations<'_>, rule: &Rule) -> Misspelling {
    let asked: Vec<Action> =
        Action::ALL.iter().copied().filter(|action| rule.acts().include(*action)).collect();
    let has: Vec<Action> = asked.iter().copied().filter(|action| operations.has(*action)).collect();
    if has.is_empty() {
        return of_actions(operations, rule, &asked);
    }
    let (why, guess) = of_path(operations, rule, &has);
    let matches = |text: &String| {
        let pattern = text.parse::<Pattern>().ok();
        pattern.is_some_and(|pattern| {
            let matched = |action: &Action| operations.matched(&pattern, *action, Effect::Allow);
            has.iter().map(matched).max() == Some(Matched::Operations)
        })
    };
    let instead = guess.filter(|text| text.len() <= LONGEST && matches(text));
    Misspelling { of_actions: false, why, instead }
}

/// The words for looking, and for changing something. Each protocol has its own.
const LOOKING: [Action; 5] =
    [Action::Get, Action::Read, Action::Subscribe, Action::Observe, Action::Head];
const CHANGING: [Action; 6] =
    [Action::Put, Action::Write, Action::Publish, Action::Update, Action::Post, Action::Patch];

fn of_actions(operations: &InterfaceOperations<'_>, rule: &Rule, asked: &[Action]) -> Misspelling {
    let protocol = operations.protocol();
    if asked.iter().any(|action| protocol.actions().contains(action)) {
        let why = "where line= is declared, nobody sets the line".to_owned();
        return Misspelling { of_actions: true, why, instead: None };
    }
    let named = list(asked, " or ");
    let mut why =
        format!("{protocol} has no action {named}: it has {}", list(protocol.actions(), ", "));
    let all = |action: &Action| operations.matched(rule.path(), *action, Effect::Allow);
    let fits = protocol.actions().iter().map(all).max() == Some(Matched::Operations);
    if !fits {
        let (path, _) = of_path(operations, rule, protocol.actions());
        why = format!("{why}; and {path}");
    }
    let alike = |action: &Action| {
        // Whoever may connect to a raw interface may do everything. Looking is the least of it.
        let action = if *action == Action::Connect { Action::Read } else { *action };
        let meant = [&LOOKING[..], &CHANGING[..]].into_iter().find(|words| words.contains(&action));
        meant?.iter().copied().find(|one| operations.has(*one))
    };
    let mut meant: Vec<Action> = asked.iter().filter_map(alike).collect();
    let is_use = |action: &Action| LOOKING.contains(action) || CHANGING.contains(action);
    if let [only] = protocol.actions()
        && asked.iter().any(is_use)
    {
        meant = vec![*only];
    }
    meant.sort_unstable();
    meant.dedup();
    let instead = (!meant.is_empty()).then(|| list(&meant, "|"));
    Misspelling { of_actions: true, why, instead }
}

fn list(actions: &[Action], between: &str) -> String {
    let all: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
    all.join(between)
}

/// Returns what is wrong with the path of a rule for these actions, and a spelling that may be
/// right.
fn of_path(
    operations: &InterfaceOperations<'_>,
    rule: &Rule,
    acts: &[Action],
) -> (String, Option<String>) {
    let (pieces, open) = rule.path().pieces();
    let written: Vec<PatternPiece<'_>> = pieces.collect();
    let Some((name, operand)) = written.split_first() else {
        return ("nothing there has such a path".to_owned(), None);
    };
    let path = Written { name: name.to_string(), operand, open };
    if let Some(why) = operations.never_by(rule.path(), rule.effect()) {
        let respelt = match operations.protocol().operand() {
            OperandForm::HttpPath => return (why, path.respelt()),
            OperandForm::Nothing
            | OperandForm::Parts
            | OperandForm::CoapPath
            | OperandForm::Topic
            | OperandForm::Addresses => path.without_empty(),
        };
        return (why, Some(respelt));
    }
    let protocol = operations.protocol();
    match protocol.operand() {
        OperandForm::Nothing | OperandForm::Parts => {
            (format!("nothing follows the name of a {protocol} interface"), Some(path.name))
        }
        OperandForm::HttpPath | OperandForm::CoapPath => {
            let why = format!(
                "a path follows the name: {0}/ is the root, {0}/** is every path",
                path.name
            );
            (why, Some(format!("{}/**", path.name)))
        }
        OperandForm::Topic if acts == [Action::Connect] => {
            ("connect asks for the interface alone, without a topic".to_owned(), Some(path.name))
        }
        OperandForm::Topic => path.of_topics(),
        OperandForm::Addresses => path.of_addresses(protocol),
    }
}

/// The path of a rule, as it is written.
struct Written<'a> {
    /// The first segment.
    name: String,
    /// The segments that follow.
    operand: &'a [PatternPiece<'a>],
    /// Whether it ends with `**`.
    open: bool,
}

impl Written<'_> {
    /// Returns a path with these segments after the name.
    fn with(&self, operand: impl IntoIterator<Item = String>, open: bool) -> String {
        let open = open.then(|| "**".to_owned());
        let all = std::iter::once(self.name.clone()).chain(operand).chain(open);
        all.collect::<Vec<_>>().join("/")
    }

    /// Returns the path with each character escaped that a path of HTTP has escaped, without empty
    /// segments, and with a slash between segments only. `None` if no path has such a character.
    fn respelt(&self) -> Option<String> {
        let stands = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c);
        let escape = |text: &str| {
            let mut spelt = String::new();
            for c in text.chars() {
                if stands(c) {
                    spelt.push(c);
                    continue;
                }
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    spelt.push_str(&format!("%{byte:02X}"));
                }
            }
            spelt
        };
        let last = self.operand.len().saturating_sub(1);
        let kept =
            self.operand.iter().enumerate().filter(|(at, one)| *at == last || !is_empty(one));
        let spelt = kept.map(|(_, piece)| match piece {
            PatternPiece::One => "*".to_owned(),
            PatternPiece::Text { text, .. } => {
                let written = |part| PatternPiece::Text { text: escape(part).into(), range: None };
                let parts = text.split('/').map(|part| written(part).to_string());
                parts.collect::<Vec<_>>().join("/")
            }
        });
        let mut texts = self.operand.iter().filter_map(|piece| match piece {
            PatternPiece::One => None,
            PatternPiece::Text { text, .. } => Some(text),
        });
        let is_lost = texts.any(|text| text.contains(|c: char| c == '\\' || c.is_control()));
        (!is_lost).then(|| self.with(spelt, self.open))
    }

    fn without_empty(&self) -> String {
        let kept = self.operand.iter().filter(|one| !is_empty(one));
        self.with(kept.map(ToString::to_string), self.open)
    }

    fn of_topics(&self) -> (String, Option<String>) {
        let all = format!("{}/**", self.name);
        let last = self.operand.len().saturating_sub(1);
        let mut open = self.open;
        let mut kept = Vec::new();
        for (at, piece) in self.operand.iter().enumerate() {
            match piece.to_string().as_str() {
                "+" => kept.push("*".to_owned()),
                "#" if at == last => open = true,
                other => kept.push(other.to_owned()),
            }
        }
        if self.operand.iter().all(is_empty) {
            return (format!("a topic follows the name: {all} is every topic"), Some(all));
        }
        let why =
            "+ and # are no wildcards in a rule: * is one level, ** at the end is all further";
        (why.to_owned(), Some(self.with(kept, open)))
    }

    fn of_addresses(&self, protocol: Protocol) -> (String, Option<String>) {
        let right: Vec<Option<String>> =
            self.operand.iter().zip(0..).map(|(piece, at)| self.address(piece, at)).collect();
        let complete = if self.open { right.len() <= 3 } else { right.len() == 3 };
        if !complete {
            let why = "UNIT/TABLE/ADDRESSES follows the name, or the path ends with **".to_owned();
            return (why, self.completed(&right));
        }
        let wrong = self
            .operand
            .iter()
            .zip(&right)
            .zip(0..)
            .find(|((piece, right), _)| right.as_deref() != Some(piece.to_string().as_str()));
        let instead = right.iter().cloned().collect::<Option<Vec<_>>>();
        let instead = instead.map(|right| self.with(right, self.open));
        let Some(((piece, _), at)) = wrong else {
            return (format!("no request of {protocol} is named so"), instead);
        };
        let text = PeerText::new(&piece.to_string());
        let why = match at {
            0 => format!("'{text}' is no unit: units are 0 to 255"),
            1 => format!("'{text}' is no table: the tables are {}", tables().join(" ")),
            _ => format!(
                "'{text}' is no number and no range such as 0-99, from 0 to {}",
                largest(self.table())
            ),
        };
        (why, instead)
    }

    fn table(&self) -> Option<Table> {
        self.operand.get(1).and_then(|piece| Table::named(&piece.to_string()))
    }

    /// Returns a segment of a Modbus path as it should be written, if that is clear.
    fn address(&self, piece: &PatternPiece<'_>, at: usize) -> Option<String> {
        let written = piece.to_string();
        match (piece, at) {
            (PatternPiece::One, _) => Some(written),
            (PatternPiece::Text { range: Some(range), .. }, 0) => match (range.first, range.last) {
                (0, 0) => Some("0".to_owned()),
                (0..=255, _) => Some(written),
                _ => None,
            },
            (PatternPiece::Text { range: None, .. }, 0) => range_in(&written, 255),
            (PatternPiece::Text { .. }, 1) => table_like(&written).map(str::to_owned),
            (PatternPiece::Text { range: Some(range), .. }, _)
                if range.first <= largest(self.table()) =>
            {
                Some(written)
            }
            (PatternPiece::Text { .. }, _) => range_in(&written, largest(self.table())),
        }
    }

    /// Returns a path of too few or too many segments with what is missing.
    fn completed(&self, right: &[Option<String>]) -> Option<String> {
        let written: Vec<String> = self.operand.iter().map(ToString::to_string).collect();
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        let any = || "*".to_owned();
        let with = |operand: Vec<String>, open| Some(self.with(operand, open));
        match (written.as_slice(), right) {
            ([], _) => with(vec![], true),
            ([numbers], _) if register(numbers).is_some() => {
                let (table, range) = register(numbers)?;
                with(vec![any(), table.to_string(), range], false)
            }
            ([table], _) if table_like(table).is_some() => {
                with(vec![any(), table_like(table)?.to_owned()], true)
            }
            ([_], [Some(unit)]) => with(vec![unit.clone()], true),
            ([_, numbers], [Some(unit), _]) if register(numbers).is_some() => {
                let (table, range) = register(numbers)?;
                with(vec![unit.clone(), table.to_string(), range], false)
            }
            ([table, numbers], _) if table_like(table).is_some() => {
                let range = range_in(numbers, NumberRange::LARGEST)?;
                with(vec![any(), table_like(table)?.to_owned(), range], false)
            }
            ([_, _], [Some(unit), Some(table)]) => with(vec![unit.clone(), table.clone()], true),
            _ => None,
        }
    }
}

fn is_empty(piece: &PatternPiece<'_>) -> bool {
    matches!(piece, PatternPiece::Text { text, .. } if text.is_empty())
}

fn tables() -> [&'static str; 8] {
    Table::ALL.map(Table::as_str)
}

/// Returns the table that a text means: the beginning of its name, its plural, or a typing error.
fn table_like(text: &str) -> Option<&'static str> {
    let small = text.to_ascii_lowercase();
    let begins =
        |table: &&str| small.len() >= 3 && (table.starts_with(&small) || small.starts_with(*table));
    tables().into_iter().find(begins).or_else(|| nearest(&small, tables()))
}

/// Reads one or two numbers with anything but letters between them, such as `0..99`.
fn range_in(text: &str, largest: u32) -> Option<String> {
    if text.bytes().any(|byte| byte.is_ascii_alphabetic() || byte == b'%') {
        return None;
    }
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let numbers: Vec<u32> = numbers.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match numbers.as_slice() {
        [one] if *one <= largest => Some(one.to_string()),
        [first, last] if first <= last && *last <= largest => Some(format!("{first}-{last}")),
        _ => None,
    }
}

/// Reads the numbers of registers in manuals, which begin with the number of their table and count
/// from 1: `40001` is the holding register 0.
fn register(text: &str) -> Option<(Table, String)> {
    let read = |text: &str| {
        let number: u32 = text.parse().ok()?;
        let (table, begin) = match number {
            10_001..=19_999 => (Table::Discrete, 10_001),
            30_001..=39_999 => (Table::Input, 30_001),
            40_001..=49_999 => (Table::Holding, 40_001),
            _ => return None,
        };
        Some((table, number - begin))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let ((table, first), (other, last)) = (read(first)?, read(last)?);
    let range = NumberRange { first, last, single: first == last };
    (table == other && first <= last).then(|| (table, range.to_string()))
}
