//! E0603: is private
//! Nobody but the policy engine has Casbin's enforcer in their hands.

use doorward_policies::judge::casbin; //~

pub fn path() {
    drop(casbin::casbin_permits);
}
