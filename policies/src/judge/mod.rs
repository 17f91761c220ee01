//! The two judges of a question, on the same candidate rules.
//!
//! [`native`] says what, why and until when. [`casbin`] is casbin-rs itself, on the model of
//! `model.conf`. An admission needs both.

mod casbin;
mod native;

use doorward_model::{Device, Group, Resource, Role};

use crate::bundle::{Bundle, Links, Rule};
use crate::question::{Context, Question};

pub(crate) use casbin::permits as casbin_permits;
pub(crate) use native::verdict as native_verdict;

/// A question with all that bears on it: the part of a snapshot that a judge gets to see.
pub(crate) struct Case<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) question: &'a Question,
    pub(crate) context: Context,
    /// The roles that the subject is a direct member of at that instant.
    pub(crate) roles: Vec<Role>,
    /// The groups that the device is a direct member of at that instant.
    pub(crate) groups: Vec<Group>,
    /// The roles and groups with all that they lead to.
    role_closure: Vec<Role>,
    group_closure: Vec<Group>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        bundle: &'a Bundle,
        question: &'a Question,
        context: Context,
        roles: Vec<Role>,
        groups: Vec<Group>,
    ) -> Self {
        let role_closure = bundle.role_links().closure(roles.iter().cloned());
        let group_closure = bundle.group_links().closure(groups.iter().cloned());
        Self { bundle, question, context, roles, groups, role_closure, group_closure }
    }

    /// The rules that can bear on the case.
    pub(crate) fn candidates(&self) -> Vec<&'a Rule> {
        let Question { subject, resource, .. } = self.question;
        let Resource { device, path } = resource;
        self.bundle.candidates(subject, &self.role_closure, device, &self.group_closure, path)
    }

    /// Casbin's `g`: subject → role, role → role.
    fn role_pairs(&self) -> Vec<(String, String)> {
        let subject = self.question.subject.to_string();
        pairs(subject, &self.roles, self.bundle.role_links(), &self.role_closure)
    }

    /// Casbin's `g2`: device → group, group → group.
    fn group_pairs(&self) -> Vec<(String, String)> {
        let device: &Device = &self.question.resource.device;
        pairs(device.to_string(), &self.groups, self.bundle.group_links(), &self.group_closure)
    }
}

fn pairs<T: Ord + Clone + ToString>(
    member: String,
    direct: &[T],
    links: &Links<T>,
    closure: &[T],
) -> Vec<(String, String)> {
    let direct = direct.iter().map(|one| (member.clone(), one.to_string()));
    let linked = links.from(closure).map(|(from, to)| (from.to_string(), to.to_string()));
    direct.chain(linked).collect()
}
