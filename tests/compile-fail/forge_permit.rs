//! E0451: are private
//! Only a decision makes a permit.

use doorward_policies::{Permit, Opinion};
use doorward_model::{Action, Resource, Subject, SubjectId, Target};

pub fn path(subject: Subject, resource: Resource, target: Target, opinion: Opinion) -> Permit {
    Permit {
        subject, //~
        subject_id: SubjectId(1), //~
        resource, //~
        action: Action::Connect, //~
        device: None, //~
        interface: None, //~
        target: Some(target), //~
        opinion, //~
    }
}
