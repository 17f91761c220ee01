//! Recorded decisions, decided again under another bundle.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use doorward_model::{Action, Subject};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::record::{Event, Record};
use crate::snapshot::Snapshot;

/// Decides recorded questions again, record by record.
pub struct Replay {
    next: Arc<Snapshot>,
    /// Ages of a handshake that tell all answers apart which could hang on it: a fresh one, and
    /// each that is just too old for some condition. Without such conditions, none is supposed.
    ages: Vec<Option<SignedDuration>>,
    asked: BTreeMap<Asked, Again>,
    replay: Replayed,
}

/// What came of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// How many recorded decisions were decided again.
    pub decisions: u64,
    /// How many of them were not about the rules, such as unknown names, and were left out.
    pub left_out: u64,
    /// How many of them hang on how old a handshake was, which is not on record. They are not
    /// among those that differ.
    pub unknown: u64,
    /// Those that would have come out differently, the most frequent first.
    pub differing: Vec<Differing>,
    /// How many kinds of them there are; `differing` has the first.
    pub kinds: usize,
}

/// Decisions that would have come out differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// Who asked.
    pub subject: Subject,
    /// For what.
    pub action: Action,
    /// On what.
    pub resource: String,
    /// Whether it was permitted then.
    pub was_permitted: bool,
    /// Whether it would be permitted under the bundle.
    pub is_permitted: bool,
    /// The lines of the bundle's `policy.csv` that would decide.
    pub rules: Vec<usize>,
    /// How often it was asked.
    pub count: u64,
    /// When it was last asked.
    pub last: Timestamp,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    subject: Subject,
    action: &'static str,
    resource: String,
    source: Option<IpAddr>,
    was_permitted: bool,
    is_permitted: bool,
}

struct Again {
    action: Action,
    rules: Vec<usize>,
    count: u64,
    last: Timestamp,
}

/// Of how many conditions on the age of a handshake the limits are tried.
const AGES: usize = 64;
/// How many kinds are named.
const NAMED: usize = 200;
/// How many kinds are kept apart.
const APART: usize = 100_000;

impl Replay {
    /// A replay under `next`.
    #[must_use]
    pub fn new(next: Arc<Snapshot>) -> Self {
        let limits = next.bundle().compiled().ages();
        let too_old = |age: &SignedDuration| age.checked_add(SignedDuration::from_nanos(1));
        let mut ages: Vec<_> = limits.iter().take(AGES).map(too_old).collect();
        ages.push((!ages.is_empty()).then_some(SignedDuration::ZERO));
        Self { next, ages, asked: BTreeMap::new(), replay: Replayed::default() }
    }

    /// Decides one record again, if it is of a decision. Who is in which role or group is as it is
    /// now; the time and the address are as they were. How old the handshake was is not known.
    pub fn take(&mut self, record: &Record) {
        let was_permitted = match record.event {
            Event::FlowOpen | Event::Request => true,
            Event::FlowRefused | Event::RequestRefused => false,
            _ => return,
        };
        let by_rules = ["no-rule", "denied-by-rule", "outside-time", "conditions"];
        let about_rules = was_permitted
            || record.reason.as_deref().is_some_and(|reason| by_rules.contains(&reason));
        let (Some(subject), Some(action), Some(device), Some(path), true) = (
            record.subject.clone(),
            record.action,
            record.device.clone(),
            record.path.as_ref(),
            about_rules,
        ) else {
            self.replay.left_out += 1;
            return;
        };
        let source = record.source.map(|source| source.ip());
        let resource = format!("{}/{}", device, path.raw());
        let question = self.next.question(subject.clone(), action, device, path.raw(), source);
        let Ok(mut question) = question else {
            self.replay.left_out += 1;
            return;
        };
        self.replay.decisions += 1;
        let mut opinions = self.ages.iter().map(|age| {
            question.proven = age.and_then(|age| record.at.checked_sub(age).ok());
            self.next.rules_say(&question, record.at)
        });
        let Some(opinion) = opinions.next() else { return };
        if opinions.any(|other| other.permits() != opinion.permits()) {
            self.replay.unknown += 1;
            return;
        }
        let is_permitted = opinion.permits();
        if is_permitted == was_permitted {
            return;
        }
        let key = Asked {
            subject,
            action: action.as_str(),
            resource,
            source,
            was_permitted,
            is_permitted,
        };
        if self.asked.len() >= APART && !self.asked.contains_key(&key) {
            return;
        }
        let again = self.asked.entry(key).or_insert_with(|| Again {
            action,
            rules: opinion.rules.to_vec(),
            count: 0,
            last: record.at,
        });
        again.count += 1;
        again.last = again.last.max(record.at);
    }

    /// What came of it.
    #[must_use]
    pub fn done(self) -> Replayed {
        let mut replay = self.replay;
        replay.kinds = self.asked.len();
        let differing = self.asked.into_iter().map(|(asked, again)| Differing {
            subject: asked.subject,
            action: again.action,
            resource: asked.resource,
            was_permitted: asked.was_permitted,
            is_permitted: asked.is_permitted,
            rules: again.rules,
            count: again.count,
            last: again.last,
        });
        replay.differing = differing.collect();
        replay.differing.sort_by_key(|one| std::cmp::Reverse(one.count));
        replay.differing.truncate(NAMED);
        replay
    }
}

#[cfg(test)]
mod tests {
    use doorward_model::{Device, PeerText, Revision, SubjectId};

    use super::*;
    use crate::bundle::{Bundle, BundleText};
    use crate::snapshot::Member;

    #[test]
    fn what_hangs_on_an_unknown_age_is_neither_the_same_nor_different() {
        let rule = |when: &str, effect: &str| {
            format!("p, user/alice, gateway, status, read, {when}, {effect}\n")
        };
        let at: Timestamp = "2027-01-01T12:00:00Z".parse().unwrap();
        for (policy, differs, unknown) in [
            (rule("", "allow"), 0, 0),
            (rule("auth-age<=1h", "allow"), 0, 1),
            (rule("", "deny"), 1, 0),
            (rule("", "allow") + rule("auth-age<=1h", "deny").as_str(), 0, 1),
            // Permitted between one hour and two, and denied at either end.
            (rule("auth-age<=2h", "allow") + rule("auth-age<=1h", "deny").as_str(), 0, 1),
            (rule("auth-age<=1h", "allow") + rule("auth-age<=2h", "deny").as_str(), 1, 0),
            (rule("", "allow") + rule("auth-age<=1h", "allow").as_str(), 0, 0),
        ] {
            let bundle =
                Bundle::parse(BundleText { policy: policy.clone(), ..BundleText::default() });
            let member = Member { id: SubjectId(1), enabled: true, roles: vec![], groups: vec![] };
            let snapshot =
                Snapshot::new("a.b".parse().unwrap(), Revision(1), Arc::new(bundle.unwrap()))
                    .with_member("user/alice".parse().unwrap(), Some(member));
            let mut record = Record::new(at, Event::Request);
            record.subject = Some("user/alice".parse().unwrap());
            record.action = Some(Action::Read);
            record.device = Some(Device::Gateway);
            record.path = Some(PeerText::new("status"));
            let mut replay = Replay::new(Arc::new(snapshot));
            replay.take(&record);
            let done = replay.done();
            assert_eq!((done.kinds, done.unknown), (differs, unknown), "{policy}");
        }
    }
}
