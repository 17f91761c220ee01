//! Decides recorded questions again under another bundle.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use doorward_model::{Action, Subject};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::record::{Event, Record};
use crate::snapshot::Snapshot;

/// A replay of recorded decisions under another bundle.
pub struct Replay {
    next: Arc<Snapshot>,
    /// The handshake ages that are tried, since records do not have them: a fresh handshake, and
    /// for each condition one that is just too old. `None` if no condition asks for an age.
    ages: Vec<Option<SignedDuration>>,
    asked: BTreeMap<Asked, Again>,
    replay: Replayed,
}

/// The result of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// How many recorded decisions were decided again.
    pub decisions: u64,
    /// How many records were left out because they were not decided by rules, such as unknown
    /// names.
    pub left_out: u64,
    /// How many decisions depend on the age of a handshake. They are not in `differing`.
    pub unknown: u64,
    /// The decisions that come out differently, the most frequent first.
    pub differing: Vec<Differing>,
    /// How many kinds of differing decisions there are; `differing` has the first.
    pub kinds: usize,
}

/// Equal decisions that come out differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// The subject.
    pub subject: Subject,
    /// The action.
    pub action: Action,
    /// The resource.
    pub resource: String,
    /// Whether the question was permitted.
    pub was_permitted: bool,
    /// Whether the other bundle permits it.
    pub is_permitted: bool,
    /// The deciding lines of the other bundle's `policy.csv`.
    pub rules: Vec<usize>,
    /// How often the question was asked.
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

/// The most conditions on handshake ages whose limits are tried.
const AGES: usize = 64;
/// The most kinds that are listed.
const NAMED: usize = 200;
/// The most kinds that are counted separately.
const APART: usize = 100_000;

impl Replay {
    /// Returns a replay under `next`.
    #[must_use]
    pub fn new(next: Arc<Snapshot>) -> Self {
        let limits = next.bundle().compiled().ages();
        let too_old = |age: &SignedDuration| age.checked_add(SignedDuration::from_nanos(1));
        let mut ages: Vec<_> = limits.iter().take(AGES).map(too_old).collect();
        ages.push((!ages.is_empty()).then_some(SignedDuration::ZERO));
        Self { next, ages, asked: BTreeMap::new(), replay: Replayed::default() }
    }

    /// Decides a record again, if it is of a decision. Memberships are the present ones; time and
    /// address are those of the record. The age of the handshake is unknown.
    pub fn take(&mut self, record: &Record) {
        let was_permitted = match record.event {
            Event::FlowOpen | Event::Request => true,
            Event::FlowRefused | Event::RequestRefused => false,
            Event::Start
            | Event::Stop
            | Event::SessionOpen
            | Event::SessionEnd
            | Event::FlowEnd
            | Event::Operation
            | Event::OperationRefused
            | Event::RequestEnd
            | Event::Refusals
            | Event::Issuing
            | Event::Issued
            | Event::CodeRefused
            | Event::Claimed
            | Event::Recovery
            | Event::Alarm => return,
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
            question.circumstances.proven = age.and_then(|age| record.at.checked_sub(age).ok());
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

    /// Returns the result.
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
    use crate::membership::Member;

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
            // Permitted from one hour to two, and denied before and after.
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
