//! The conditions of the gateway that need attention.

use std::sync::{Arc, Mutex, PoisonError};

use doorward_api::ConditionReport;

/// The conditions that need attention. None means that the gateway is well.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<Vec<ConditionReport>>>);

impl Health {
    /// Sets the condition of `about`, or clears it if `detail` is `None`.
    pub fn set(&self, about: &'static str, detail: Option<String>) {
        let mut conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.retain(|condition| condition.about != about);
        conditions.extend(detail.map(|detail| ConditionReport { about: about.to_owned(), detail }));
    }

    /// Returns the present conditions.
    #[must_use]
    pub(crate) fn conditions(&self) -> Vec<ConditionReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
