//! The reports of devices about themselves.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use doorward_api::{PostureFact, PostureView, ProblemKind};
use doorward_model::{Kind, PeerText, SubjectId};
use doorward_session::{Problem, Session};
use doorward_wire::{Report, Value};
use jiff::Timestamp;

/// How many facts one report may have.
const FACTS: usize = 64;
/// How many texts one fact may have.
const TEXTS: usize = 256;

/// The last report of each device about itself, in memory only. The gateway does not verify
/// reports.
#[derive(Clone, Default)]
pub struct Postures(Arc<Mutex<HashMap<SubjectId, PostureView>>>);

/// Turns a fact into its API form. Returns `None` if it has too many texts.
fn fact(value: Value) -> Option<PostureFact> {
    Some(match value {
        Value::Text(text) => PostureFact::Text(PeerText::new(&text)),
        Value::Number(number) => PostureFact::Number(number),
        Value::Flag(flag) => PostureFact::Flag(flag),
        Value::List(texts) if texts.len() <= TEXTS => {
            PostureFact::List(texts.iter().map(|text| PeerText::new(text)).collect())
        }
        Value::List(_) => return None,
    })
}

impl Postures {
    /// Stores a report in the place of the device's former one.
    pub(crate) fn note(
        &self,
        session: &Session,
        report: Report,
        at: Timestamp,
    ) -> Result<(), Problem> {
        let wrong = |detail: &str| Err(Problem::new(ProblemKind::WrongRequest, detail));
        if session.subject().kind() != Kind::Device {
            return wrong("Only devices report about themselves.");
        }
        if report.len() > FACTS {
            return wrong("A report has at most 64 facts.");
        }
        let mut facts = BTreeMap::new();
        for (name, value) in report {
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let named = (1..=64).contains(&name.len()) && name.bytes().all(plain);
            match fact(value) {
                Some(fact) if named => facts.insert(name, fact),
                Some(_) => return wrong("Facts are named by a-z, 0-9 and -."),
                None => return wrong("A fact has at most 256 texts."),
            };
        }
        let mut postures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        postures.insert(session.subject_id(), PostureView { at, report: facts });
        Ok(())
    }

    /// Forgets the report of a removed subject.
    pub(crate) fn forget(&self, subject: SubjectId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&subject);
    }

    pub(crate) fn of(&self, subject: SubjectId) -> Option<PostureView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&subject).cloned()
    }
}
