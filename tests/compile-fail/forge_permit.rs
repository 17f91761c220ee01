//! E0451: are private
//! Only a decision makes a permit, not even out of another one.

use doorward_policies::{Opinion, Permit};
use doorward_model::{Action, Resource, Subject, SubjectId};

pub fn path(subject: Subject, resource: Resource, opinion: Opinion, other: Permit) -> Permit {
    Permit {
        subject, //~
        subject_id: SubjectId(1), //~
        resource, //~
        action: Action::Connect, //~
        opinion, //~
        ..other //~
    }
}
