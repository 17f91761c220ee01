//! E0616: field `interface` of struct `doorward_policies::Permit` is private
//! Where to dial comes from the decision: not even another permit's interface can be put there.

use doorward_policies::Permit;

pub fn path(mut permit: Permit, other: Permit) -> Permit {
    permit.interface = other.interface; //~
    permit
}
