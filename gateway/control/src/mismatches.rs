//! Says which rules match nothing at the interfaces that they name.

use std::sync::Arc;

use doorward_api::{FirstOf, PolicyProblem, ProblemKind};
use doorward_model::{Action, Device, DoorName, Path, Resource};
use doorward_policies::{BundleError, BundleErrors, Mismatches, Question, Snapshot};
use doorward_session::Problem;

use crate::gate::Denied;
use crate::request::AdminRequest;
use crate::response::{denied, sentence};

/// Turns the errors that are kept into their API form.
pub(crate) fn problems(errors: &BundleErrors) -> Vec<PolicyProblem> {
    let problem = |error: &BundleError| PolicyProblem {
        file: error.file.to_owned(),
        line: error.line,
        column: error.column,
        length: error.reason.length(),
        code: error.reason.code().to_owned(),
        message: sentence(&error.reason.to_string()),
        fix: error.reason.fix(),
    };
    errors.places().iter().map(problem).collect()
}

/// Returns warnings about rules that match nothing. A deny rule that denies nothing refuses a bundle
/// that is new; about a former one it is a warning, so that nobody is kept from going back.
pub(crate) fn check_rules(next: &Snapshot, is_new: bool) -> Result<FirstOf<PolicyProblem>, Denied> {
    let Mismatches { denying, others } = next.mismatches(None);
    if is_new && !denying.is_empty() {
        let detail = format!(
            "A rule that denies nothing protects nothing, so nothing was changed.\n{denying}"
        );
        let problem = Problem::new(ProblemKind::DeniesNothing, detail);
        return Err(denied(problem.with_errors(problems(&denying))));
    }
    let count = denying.count() + others.count();
    let first = [problems(&denying), problems(&others)].concat();
    Ok(FirstOf { count, first })
}

impl AdminRequest<'_> {
    /// Returns a warning for each rule that names this interface, and matches nothing at any
    /// interface that it names. Only whoever may read the policy gets them.
    pub(crate) async fn rule_warnings(&self, door: &DoorName) -> Vec<String> {
        let snapshot = self.parts.leases.snapshot();
        if !self.reads_the_policy(&snapshot) {
            return vec![];
        }
        let (snapshot, door) = (Arc::clone(&snapshot), door.clone());
        // While others ask questions, it waits, and at last does without the warnings.
        let found = self.with_question_permit(move || Ok(snapshot.mismatches(Some(&door)))).await;
        let Mismatches { denying, others } = found.unwrap_or_default();
        let count = denying.count() + others.count();
        let listed = denying.places().iter().chain(others.places());
        let mut warnings: Vec<String> = listed.map(ToString::to_string).collect();
        if count > warnings.len() {
            warnings.push(format!(
                "{} more rules match nothing; `doorward policy lint` names them",
                count - warnings.len()
            ));
        }
        warnings
    }

    fn reads_the_policy(&self, snapshot: &Snapshot) -> bool {
        let Some(connection) = &self.visit.connection else { return false };
        let Ok(path) = Path::literal("policies") else { return false };
        let question = Question {
            subject: connection.session().subject().clone(),
            resource: Resource { device: Device::Gateway, path },
            action: Action::Read,
            circumstances: connection.circumstances(),
        };
        snapshot.opinion(&question, self.now()).permits()
    }
}
