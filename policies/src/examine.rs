//! The compiled form and Casbin, held against each other.

use jiff::Timestamp;
use serde::Serialize;

use crate::answer::Judges;
use crate::bundle::{Bundle, BundleErrors, difference, line_of};
use crate::compiled::{Builder, Compiled, Hunk};
use crate::generate::Questions;
use crate::judge::rulings;
use crate::question::Request;
use crate::snapshot::Snapshot;
use crate::supposed::Supposed;

/// A question to which the compiled form and Casbin give different answers. That is a fault of
/// this program, never of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Differ {
    /// The question, in words.
    pub question: String,
    /// What the compiled form says.
    pub compiled: bool,
    /// What Casbin says; `None` if it failed.
    pub casbin: Option<bool>,
    /// The lines of `policy.csv` by which the compiled form decided.
    pub rules: Vec<usize>,
}

/// What an examination has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Examined {
    /// How many questions both have decided.
    pub decided: usize,
    /// How many were left out, because too many rules bear on them.
    pub left_out: usize,
    /// Where they differ.
    pub differing: Vec<Differ>,
}

/// How many questions are decided at once: one pass over the text for all of them.
const BATCH: usize = 100;
/// How many questions are made for each rule, at most.
const EACH: usize = 20;
/// How many questions are made for one bundle, at most.
const MOST: usize = 20_000;
/// An edit of so many rules is examined by what it touches.
const FEW: usize = 100;

impl Snapshot {
    /// Whether the compiled form of the bundle of this state and Casbin agree: on the bundle's own
    /// tests, and on questions made from its words, at least 100 and then as many as `more` has
    /// time for (it is told how many were decided). After a small edit of `former` they are about
    /// the rules that it touches. The same `seed` makes the same questions.
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
            self.compare(batch, &mut done);
        }
        let touched = former.and_then(|former| touched(former, self.bundle()));
        let rules = touched.as_ref().unwrap_or(self.bundle().compiled());
        let Some(mut questions) = Questions::about(rules, self.bundle(), now, seed) else {
            return done;
        };
        let most = (rules.capacity() * EACH).clamp(BATCH, MOST);
        let mut asked = 0;
        while asked < most {
            let batch: Vec<Supposed> = questions.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            asked += batch.len();
            self.compare(&batch, &mut done);
            if !more(asked) {
                break;
            }
        }
        done
    }

    /// Decides each question with both.
    fn compare(&self, asked: &[Supposed], done: &mut Examined) {
        let rulings = rulings(self.bundle().text(), asked);
        for (asked, ruling) in asked.iter().zip(rulings) {
            let opinion = asked.opinion(Judges::Native, self);
            let casbin = match ruling {
                Ok(None) => {
                    done.left_out += 1;
                    continue;
                }
                Ok(ruling) => ruling,
                Err(error) => {
                    tracing::error!(%asked, %error, "casbin failed");
                    None
                }
            };
            done.decided += 1;
            if casbin != Some(opinion.permits()) {
                done.differing.push(Differ {
                    question: asked.to_string(),
                    compiled: opinion.permits(),
                    casbin,
                    rules: asked.deciding(self.bundle()),
                });
            }
        }
    }

    /// Whether Casbin would say of a request what the compiled form says, rules alone considered;
    /// `None` if too many rules bear on it to be asked. Takes a look at each line of the bundle.
    #[must_use]
    pub fn referee(&self, request: &Request, now: Timestamp) -> Option<Result<(), Differ>> {
        let mut done = Examined::default();
        let asked = Supposed::of(request.question.clone(), self, now);
        self.compare(&[asked], &mut done);
        match (done.differing.pop(), done.left_out) {
            (Some(differ), _) => Some(Err(differ)),
            (None, 0) => Some(Ok(())),
            (None, _) => None,
        }
    }
}

/// The rules that an edit touches, if they are few.
fn touched(former: &Bundle, bundle: &Bundle) -> Option<Compiled> {
    let (old, new) = (former.text(), bundle.text());
    if old.roles != new.roles || old.groups != new.groups {
        return None;
    }
    let (there, back) =
        (difference(&old.policy, &new.policy)?, difference(&new.policy, &old.policy)?);
    let count = |hunks: &[Hunk<'_>]| hunks.iter().map(|hunk| hunk.added.len()).sum::<usize>();
    let lines = count(&there) + count(&back);
    if lines == 0 || lines > FEW {
        return None;
    }
    let mut builder = Builder::new();
    let mut errors = BundleErrors::default();
    for (number, line) in (1..).zip(there.iter().chain(&back).flat_map(|hunk| &hunk.added)) {
        if let Some(line) = line_of("policy.csv", number, line, &mut errors) {
            // Both texts have been read before: a line that does not read is no rule of them.
            builder.add(&line).ok()?;
        }
    }
    let compiled = Compiled::of(builder);
    (compiled.len() > 0).then_some(compiled)
}
