//! E0616: field `target` of struct `doorward_policies::Permit` is private
//! Where a permit leads cannot be changed.

use doorward_model::Target;
use doorward_policies::Permit;

pub fn path(mut permit: Permit, target: Target) -> Permit {
    permit.target = Some(target); //~
    permit
}
