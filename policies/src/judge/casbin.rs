//! Asks casbin-rs, and works around its known faults. Each fault has a test in `casbin/tests.rs`.

mod arguments;
mod matcher;
mod slice;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{self, Poll};

use casbin::function_map::OperatorFunction;
use casbin::{CoreApi, DefaultModel, Enforcer, Model, NullAdapter};
use thiserror::Error;

use super::case::Case;
use crate::bundle::BundleText;
use crate::recent::Recent;
use crate::rule::Rule;
pub(super) use arguments::EnforceArguments;
pub(super) use slice::Slice;

/// Casbin could not answer. The fault is always Doorward's, and the question is refused.
#[derive(Debug, Error)]
pub(crate) enum JudgeError {
    /// Casbin returned an error.
    #[error("casbin: {0}")]
    Casbin(#[from] casbin::Error),
    /// Casbin panicked.
    #[error("casbin panicked")]
    Panic,
    /// Casbin's constructor waited, although everything is in memory.
    #[error("casbin did not answer at once")]
    Waits,
}

/// Half the number of Enforcers that a thread keeps. One takes some 16 KiB.
const HALF: usize = 128;

thread_local! {
    /// Making an Enforcer costs more than asking it. Each is kept under its whole slice, so it is
    /// right for every state that leads to the same slice.
    static READY: RefCell<Recent<Slice, Enforcer>> = RefCell::new(Recent::new(HALF));
}

/// Returns whether Casbin permits `case`, given `rules`.
pub(crate) fn permits(case: &Case<'_>, rules: &[Rule]) -> Result<bool, JudgeError> {
    permits_on(
        Slice::of(case, rules),
        EnforceArguments::of((case.question, case.aliases), &case.context),
    )
}

/// Returns whether Casbin permits the question, given a slice.
///
/// A slice without rules is refused without asking, since Casbin evaluates the matcher against
/// blanks when the policy is empty.
pub(super) fn permits_on(slice: Slice, ask: EnforceArguments) -> Result<bool, JudgeError> {
    if slice.rules.is_empty() {
        return Ok(false);
    }
    READY.with_borrow_mut(|ready| {
        if let Some(answer) = ready.with(&slice, |kept| guarded(|| kept.enforce(ask.clone()))) {
            if answer.is_err() {
                ready.remove(&slice);
            }
            return answer;
        }
        let mut made = None;
        let answer = guarded(|| made.insert(enforcer(&slice)?).enforce(ask));
        if let (Some(enforcer), true) = (made, answer.is_ok() && slice.is_small()) {
            ready.insert(slice, enforcer);
        }
        answer
    })
}

/// Runs code that may panic inside Casbin. A panic becomes an error, and the question is refused.
fn guarded(ask: impl FnOnce() -> casbin::Result<bool>) -> Result<bool, JudgeError> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(JudgeError::Panic),
    }
}

fn enforcer(slice: &Slice) -> Result<Enforcer, casbin::Error> {
    let mut model = model()?.clone();
    for rule in &slice.rules {
        model.add_policy("p", "p", rule.clone());
    }
    for (kind, pairs) in [("g", &slice.roles), ("g2", &slice.groups)] {
        for (from, to) in pairs {
            model.add_policy("g", kind, vec![from.clone(), to.clone()]);
        }
    }
    let mut enforcer = at_once(Enforcer::new_raw(model, NullAdapter))?;
    enforcer.build_role_links()?;
    enforcer.add_function("reaches", OperatorFunction::Arg3(matcher::reaches));
    enforcer.add_function("acts", OperatorFunction::Arg2(matcher::acts));
    enforcer.add_function("holds", OperatorFunction::Arg3(matcher::holds));
    Ok(enforcer)
}

fn model() -> Result<&'static DefaultModel, casbin::Error> {
    static MODEL: OnceLock<DefaultModel> = OnceLock::new();
    match MODEL.get() {
        Some(model) => Ok(model),
        None => {
            let model = at_once(DefaultModel::from_str(BundleText::MODEL))?;
            Ok(MODEL.get_or_init(|| model))
        }
    }
}

/// Runs one of Casbin's constructors to its end. They are async because of files, and here
/// everything is in memory.
fn at_once<T>(future: impl Future<Output = Result<T, casbin::Error>>) -> Result<T, casbin::Error> {
    let mut context = task::Context::from_waker(task::Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(casbin::Error::IoError(std::io::Error::other(JudgeError::Waits))),
    }
}
