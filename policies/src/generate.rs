//! Makes questions from a bundle's own words: about what its rules reach, and about their edges.

use std::net::IpAddr;

use doorward_model::{
    Action, Device, Group, Inspected, OperandForm, Path, Protocol, Resource, Role, Subject,
};
use jiff::{SignedDuration, Timestamp};

use crate::bundle::Bundle;
use crate::pattern::{NumberRange, Pattern, PatternPiece};
use crate::question::{Circumstances, Evidence, Question};
use crate::rule::{On, Rule, Who};
use crate::supposed::{Supposed, nobody};

/// A generator of questions. The same seed gives the same questions.
pub(crate) struct Questions<'a> {
    /// The lines that rules are drawn from. They are text, since a rule that the compiled form has
    /// lost could not be drawn from it.
    lines: &'a str,
    nobody: Subject,
    now: Timestamp,
    random: u64,
}

const TABLES: [&str; 8] =
    ["coil", "discrete", "input", "holding", "file", "fifo", "device", "function"];

impl<'a> Questions<'a> {
    /// Returns a generator of questions about the rules on `lines`, for `bundle`.
    pub(crate) fn about(
        lines: &'a str,
        bundle: &Bundle,
        now: Timestamp,
        seed: u64,
    ) -> Option<Self> {
        Some(Self { lines, nobody: nobody(bundle)?, now, random: seed })
    }

    /// Returns the next random number (SplitMix64), below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap_or(0)
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let at = self.below(choices.len());
        choices.get(at).copied()
    }

    fn rule(&mut self) -> Option<Rule> {
        let at = self.below(self.lines.len());
        let bytes = self.lines.as_bytes();
        let before = bytes.get(..at)?.iter().rposition(|byte| *byte == b'\n');
        let start = before.map_or(0, |before| before + 1);
        let length = bytes.get(start..)?.iter().position(|byte| *byte == b'\n');
        let end = length.map_or(bytes.len(), |length| start + length);
        Rule::read(1, self.lines.get(start..end)?.trim_end_matches('\r'))
    }

    fn make(&mut self) -> Option<Supposed> {
        let rule = self.rule()?;
        let (mut roles, mut groups): (Vec<Role>, Vec<Group>) = (vec![], vec![]);
        // Half of the questions are about a subject with the roles of two rules.
        let other = if self.one_in(2) { self.rule() } else { None };
        for who in [Some(rule.who()), other.as_ref().map(Rule::who)].into_iter().flatten() {
            roles.extend(who.role().cloned());
        }
        let subject = match rule.who() {
            Who::Subject(subject) => subject.clone(),
            Who::Role(_) => self.nobody.clone(),
        };
        for on in [Some(rule.on()), other.as_ref().map(Rule::on)].into_iter().flatten() {
            groups.extend(on.group().cloned());
        }
        let device = match rule.on() {
            On::Device(device) => device.clone(),
            On::Group(_) => Device::Named("nothing".parse().ok()?),
        };
        if device == Device::Gateway {
            groups.clear();
        }
        let path = match &other {
            Some(other) if self.one_in(3) => other.path().clone(),
            _ => rule.path().clone(),
        };
        let protocol = self.protocol(&path);
        let acts: Vec<Action> =
            protocol.actions().iter().copied().filter(|act| rule.acts().include(*act)).collect();
        let action = match self.one_in(8) || acts.is_empty() {
            true => self.of(protocol.actions())?,
            false => self.of(&acts)?,
        };
        let path = self.path(&path, protocol, action)?;
        let inspected = Inspected::by_default(protocol).filter(|_| !self.one_in(4));
        let aliases = inspected.map_or_else(Vec::new, |one| one.aliases(&path));
        let circumstances = Circumstances { source: self.source(), proven: self.proven() };
        let resource = Resource { device, path };
        let question = Question { subject, resource, action, circumstances };
        let now = self.instant(&rule, &question);
        Some(
            Supposed { question, aliases, roles, groups, evidence: Evidence::default(), now }
                .with_built_in(),
        )
    }

    /// Returns a protocol that the pattern may be meant for.
    fn protocol(&mut self, pattern: &Pattern) -> Protocol {
        let (mut pieces, _) = pattern.pieces();
        if let Some(PatternPiece::Text { text, .. }) = pieces.nth(2)
            && TABLES.contains(&&*text)
        {
            return Protocol::Modbus;
        }
        self.of(&[Protocol::Http, Protocol::Mqtt]).unwrap_or(Protocol::Http)
    }

    /// Returns a path within a pattern, or just outside it.
    fn path(&mut self, pattern: &Pattern, protocol: Protocol, action: Action) -> Option<Path> {
        let has_numbers = match protocol.operand() {
            OperandForm::Addresses => true,
            OperandForm::Nothing
            | OperandForm::Parts
            | OperandForm::HttpPath
            | OperandForm::CoapPath
            | OperandForm::Topic => false,
        };
        let (pieces, open) = pattern.pieces();
        let mut segments: Vec<String> = Vec::new();
        for (at, piece) in pieces.enumerate() {
            segments.push(match piece {
                PatternPiece::One if has_numbers && at == 1 => self.below(4).to_string(),
                PatternPiece::One if has_numbers && at == 3 => {
                    let first = self.below(1000);
                    format!("{first}-{}", first + self.below(10))
                }
                PatternPiece::One => self.of(&["a", "7", "$x", "", "1-9", "+"])?.to_owned(),
                PatternPiece::Text { range: Some(range), .. } if has_numbers => {
                    self.within(range, at == 1)
                }
                PatternPiece::Text { text, .. } if at > 0 && self.one_in(12) => format!("{text}x"),
                PatternPiece::Text { text, .. } if at > 0 && self.one_in(12) => {
                    text.to_ascii_uppercase() + self.of(&["", ".", ";v=1", "%20"])?
                }
                PatternPiece::Text { .. } if at > 0 && self.one_in(12) => "+".to_owned(),
                PatternPiece::Text { text, .. } => text.into_owned(),
            });
        }
        if open {
            if has_numbers {
                for segment in ["1", "holding", "5-9"].iter().skip(segments.len().max(1) - 1) {
                    segments.push((*segment).to_owned());
                }
            } else {
                for _ in 0..self.below(3) {
                    segments.push(self.of(&["a", "b", "$x", "#"])?.to_owned());
                }
            }
        }
        let text = segments.join("/");
        Path::parse(protocol, action, &text).or_else(|_| Path::literal(&text)).ok()
    }

    /// Numbers in a range, across its ends, or the range itself.
    fn within(&mut self, range: NumberRange, is_unit: bool) -> String {
        let NumberRange { first, last, .. } = range;
        let (low, high) = match self.below(5) {
            0 => (first, last),
            1 => (first, first),
            2 => (last, last),
            3 => (first.saturating_sub(1), first),
            _ => (last, (last + 1).min(NumberRange::LARGEST)),
        };
        if is_unit { low.to_string() } else { format!("{low}-{high}") }
    }

    /// Returns an instant at which a condition of the rule changes, just before it, or the present.
    fn instant(&mut self, rule: &Rule, question: &Question) -> Timestamp {
        let context = question.context(self.now, Evidence::default());
        let turn = rule.when().changes_at(&context).filter(|_| !self.one_in(3));
        match turn {
            Some(turn) if self.one_in(2) => turn,
            Some(turn) => turn.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(turn),
            None => self.now,
        }
    }

    /// Returns a recent or an older handshake, or none.
    fn proven(&mut self) -> Option<Timestamp> {
        let hours = self.of(&[0, 1, 24, 24 * 365, -1])?;
        let ago = (hours >= 0).then(|| SignedDuration::from_hours(hours))?;
        self.now.checked_sub(ago).ok()
    }

    fn source(&mut self) -> Option<IpAddr> {
        let texts = ["", "127.0.0.1", "10.1.2.3", "192.168.1.20", "203.0.113.5", "fd00::20"];
        self.of(&texts)?.parse().ok()
    }
}

impl Iterator for Questions<'_> {
    type Item = Supposed;

    fn next(&mut self) -> Option<Supposed> {
        // A draw may hit a comment, or a pattern without a valid path.
        (0..1000).find_map(|_| self.make())
    }
}
