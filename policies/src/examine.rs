//! Compares the compiled form with Casbin.

use jiff::Timestamp;
use serde::Serialize;

use crate::bundle::{Bundle, difference};
use crate::decision::Refusal;
use crate::generate::Questions;
use crate::judge::rulings;
use crate::rule::Rule;
use crate::snapshot::Snapshot;
use crate::supposed::Supposed;

/// A question to which the compiled form and Casbin give different answers. That is a fault of
/// Doorward, never of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Differ {
    /// The question, in words.
    pub question: String,
    /// Whether the compiled form permits it.
    pub compiled: bool,
    /// Whether Casbin permits it; `None` if Casbin failed.
    pub casbin: Option<bool>,
    /// The lines of `policy.csv` by which the compiled form decided.
    pub rules: Vec<usize>,
}

/// The result of an examination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Examined {
    /// How many questions both judges have decided.
    pub decided: usize,
    /// How many were left out because too many rules bear on them.
    pub left_out: usize,
    /// The questions on which the judges differ.
    pub differing: Vec<Differ>,
}

/// How many questions share one pass over the text.
const BATCH: usize = 100;
/// The most questions for each rule.
const EACH: usize = 20;
/// The most questions for one bundle.
const MOST: usize = 20_000;
/// The most rules of an edit that is examined by the rules that it touches.
const FEW: usize = 100;

impl Snapshot {
    /// Examines whether the compiled form of this state's bundle agrees with Casbin. It asks the
    /// bundle's own tests, then questions made from its words, in batches of 100: at least the first
    /// batch of each, then further ones while `more` returns true. `more` gets the number of questions
    /// so far. After a
    /// small edit of `former`, the questions are about the rules that the edit touches. The same
    /// `seed` makes the same questions.
    pub fn examine(
        &self,
        former: Option<&Bundle>,
        now: Timestamp,
        seed: u64,
        mut more: impl FnMut(usize) -> bool,
    ) -> Examined {
        let mut done = Examined::default();
        let tests = self.bundle().tests().unwrap_or_default();
        let tests: Vec<Supposed> =
            tests.iter().filter_map(|test| self.suppose(test, now).ok()).collect();
        for batch in tests.chunks(BATCH) {
            compare(self.bundle(), batch, None, &mut done);
            if !more(done.decided) {
                break;
            }
        }
        let touched = former.and_then(|former| touched(former, self.bundle()));
        let lines = touched.as_ref().unwrap_or(&self.bundle().text().policy);
        let Some(mut questions) = Questions::about(lines, self.bundle(), now, seed) else {
            return done;
        };
        let most = (lines.lines().take(MOST).count() * EACH).clamp(BATCH, MOST);
        let mut asked = 0;
        while asked < most {
            let batch: Vec<Supposed> = questions.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            asked += batch.len();
            compare(self.bundle(), &batch, None, &mut done);
            if !more(asked) {
                break;
            }
        }
        done
    }
}

impl Bundle {
    /// Returns whether Casbin agrees with an answer: with `said`, which is whether the rules
    /// permitted, or with the compiled form if the answer was not by the rules. `None` if too many
    /// rules bear on the question. It reads each line of the bundle.
    #[must_use]
    pub fn referee(&self, asked: &Supposed, said: Option<bool>) -> Option<Result<(), Differ>> {
        let mut done = Examined::default();
        compare(self, std::slice::from_ref(asked), said, &mut done);
        match (done.differing.pop(), done.left_out) {
            (Some(differ), _) => Some(Err(differ)),
            (None, 0) => Some(Ok(())),
            (None, _) => None,
        }
    }
}

/// Compares Casbin's answer to each question with `said`, or with the compiled form's answer.
fn compare(bundle: &Bundle, asked: &[Supposed], said: Option<bool>, done: &mut Examined) {
    let rulings = rulings(bundle.text(), asked);
    for (asked, ruling) in asked.iter().zip(rulings) {
        let casbin = match ruling {
            Ok(None) => {
                done.left_out += 1;
                continue;
            }
            Ok(ruling) => ruling,
            Err(error) => {
                tracing::error!(%asked, %error, "casbin failed to answer a question");
                None
            }
        };
        let refusal = || asked.refusal(bundle);
        let refusal = said.map_or_else(refusal, |said| (!said).then_some(Refusal::NoRule));
        // The compiled form has not looked at every rule, so there is nothing to compare.
        if refusal == Some(Refusal::TooBroad) {
            done.left_out += 1;
            continue;
        }
        let compiled = refusal.is_none();
        done.decided += 1;
        if casbin != Some(compiled) {
            let rules = asked.deciding(bundle);
            done.differing.push(Differ { question: asked.to_string(), compiled, casbin, rules });
        }
    }
}

/// Returns the lines that an edit touches, if they are few.
fn touched(former: &Bundle, bundle: &Bundle) -> Option<String> {
    let (old, new) = (former.text(), bundle.text());
    if old.roles != new.roles || old.groups != new.groups {
        return None;
    }
    let (there, back) =
        (difference(&old.policy, &new.policy)?, difference(&new.policy, &old.policy)?);
    let lines: Vec<&str> =
        there.iter().chain(&back).flat_map(|hunk| &hunk.added).copied().collect();
    let few = lines.len() <= FEW && lines.iter().any(|line| Rule::read(1, line).is_some());
    few.then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use doorward_model::{Action, Device, Revision, SubjectId};

    use super::*;
    use crate::bundle::BundleText;
    use crate::membership::Member;
    use crate::question::Question;

    fn text(policy: &str) -> BundleText {
        BundleText { policy: policy.to_owned(), tests: String::new(), ..BundleText::default() }
    }

    /// Returns a bundle that is broken on purpose: its text and its compiled form differ.
    fn broken(said: &str, compiled: &str) -> Bundle {
        let compiled = Bundle::parse(text(compiled)).unwrap();
        let nothing = text(&compiled.text().policy);
        let difference = compiled.difference(&nothing).unwrap();
        compiled.edited(&Arc::new(text(said)), &difference).unwrap().unwrap()
    }

    fn under(bundle: Bundle) -> Snapshot {
        let member = Member { id: SubjectId(1), enabled: true, roles: vec![], groups: vec![] };
        Snapshot::new("a.b".parse().unwrap(), Revision(1), Arc::new(bundle))
            .with_member("user/alice".parse().unwrap(), Some(member))
    }

    fn now() -> Timestamp {
        "2027-01-01T12:00:00Z".parse().unwrap()
    }

    fn question(snapshot: &Snapshot, path: &str) -> Question {
        let alice = "user/alice".parse().unwrap();
        snapshot.question(alice, Action::Read, Device::Gateway, path, None).unwrap()
    }

    fn referee(snapshot: &Snapshot, path: &str) -> Option<Result<(), Differ>> {
        let asked = Supposed::of(question(snapshot, path), snapshot, now());
        snapshot.bundle().referee(&asked, None)
    }

    const ALLOW: &str = "p, role/users, gateway, **, *, , allow\n";
    const DENY: &str = "p, user/alice, gateway, secret/**, *, , deny\n";

    #[test]
    fn a_sound_bundle_is_examined_and_nothing_is_found() {
        let sound = Bundle::parse(text(&[ALLOW, DENY].concat())).unwrap();
        let snapshot = under(sound);
        let examined = snapshot.examine(None, now(), 7, |_| true);
        assert!(examined.decided >= 100 && examined.differing.is_empty(), "{examined:?}");
        for path in ["secret/a", "open"] {
            assert_eq!(referee(&snapshot, path), Some(Ok(())));
        }
    }

    #[test]
    fn a_rule_that_the_compiled_form_has_lost_is_found() {
        let snapshot = under(broken(&[ALLOW, DENY].concat(), ALLOW));
        let examined = snapshot.examine(None, now(), 7, |_| true);
        assert!(examined.differing.iter().any(|one| one.compiled), "{examined:?}");
        assert_eq!(referee(&snapshot, "open"), Some(Ok(())));
        let differ = referee(&snapshot, "secret/a").unwrap().unwrap_err();
        assert_eq!((differ.compiled, differ.casbin), (true, Some(false)));
        assert_eq!(differ.rules, [1], "the rule by which it was let through");
        assert!(differ.question.starts_with("user/alice read gateway/secret/a"), "{differ:?}");
        // The compiled form has a rule that the text does not have.
        let snapshot = under(broken(DENY, &[DENY, ALLOW].concat()));
        let differ = referee(&snapshot, "open").unwrap().unwrap_err();
        assert_eq!((differ.compiled, differ.casbin), (true, Some(false)));
    }

    #[test]
    fn actions_may_be_written_with_spaces() {
        let spaced = "p, role/users, gateway, **, read | update, , allow\n\
                      p, user/alice, gateway, secret, get | read, , deny\n";
        let snapshot = under(Bundle::parse(text(spaced)).unwrap());
        let examined = snapshot.examine(None, now(), 7, |_| true);
        assert!(examined.differing.is_empty(), "{examined:?}");
        for path in ["secret", "open"] {
            assert_eq!(referee(&snapshot, path), Some(Ok(())));
        }
    }

    #[test]
    fn what_was_said_is_held_against_casbin_however_it_came_about() {
        let snapshot = under(Bundle::parse(text(ALLOW)).unwrap());
        let asked = Supposed::of(question(&snapshot, "open"), &snapshot, now());
        assert_eq!(snapshot.bundle().referee(&asked, Some(true)), Some(Ok(())));
        let differ = snapshot.bundle().referee(&asked, Some(false)).unwrap().unwrap_err();
        assert_eq!((differ.compiled, differ.casbin), (false, Some(true)));
    }

    #[test]
    fn a_small_edit_is_examined_by_what_it_touches() {
        let many: String =
            (0..500).map(|n| format!("p, role/r{n}, gateway, a/{n}, read, , allow\n")).collect();
        let former = Bundle::parse(text(&[ALLOW, &many].concat())).unwrap();
        // Among all rules, a hundred questions would hardly hit this one.
        let lost = [ALLOW, &many, DENY].concat();
        let snapshot = under(broken(&lost, &former.text().policy));
        let examined = snapshot.examine(Some(&former), now(), 7, |_| false);
        assert!(!examined.differing.is_empty(), "{examined:?}");
    }

    #[test]
    fn what_is_suspended_permits_nothing_until_the_next_bundle() {
        let over = format!("p, user/alice, gateway, a, *, until={}, allow\n", now());
        let bundle = || Bundle::parse(text(&[ALLOW, &over].concat()));
        let snapshot = under(bundle().unwrap());
        let says = |snapshot: &Snapshot, path| {
            snapshot.rules_say(&question(snapshot, path), now()).refusal
        };
        assert_eq!(says(&snapshot, "a"), None);
        let suspended = snapshot.clone().suspending(&[2]);
        // Another rule allows it as well, and alone at this hour; it stays suspended.
        assert_eq!(says(&suspended, "a"), Some(crate::Refusal::Suspended));
        assert_eq!(says(&suspended, "b"), None, "what it does not cover goes on");
        // A suspension is no difference between the judges.
        assert_eq!(referee(&suspended, "a"), Some(Ok(())));
        let next = suspended.with_bundle(Revision(2), Arc::new(bundle().unwrap()));
        assert_eq!(says(&next, "a"), None);
    }
}
