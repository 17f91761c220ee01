//! The rules that Casbin is given for one question.

use std::collections::BTreeSet;

use doorward_model::{Group, Role};

use crate::bundle::Links;
use crate::judge::case::Case;
use crate::rule::Rule;

/// The part of a bundle that Casbin gets for one question: the rules that bear on it, as text, and
/// the memberships and links that lead to their roles and groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slice {
    pub(super) rules: Vec<Vec<String>>,
    /// Casbin's `g`: subject → role, role → role.
    pub(super) roles: Vec<(String, String)>,
    /// Casbin's `g2`: device → group, group → group.
    pub(super) groups: Vec<(String, String)>,
}

/// The most rules, memberships and links of a slice whose Enforcer is kept.
const SMALL: usize = 256;

impl Slice {
    pub(super) fn is_small(&self) -> bool {
        self.rules.len() + self.roles.len() + self.groups.len() <= SMALL
    }

    pub(crate) fn new(
        rules: Vec<Vec<String>>,
        roles: Vec<(String, String)>,
        groups: Vec<(String, String)>,
    ) -> Self {
        Self { rules, roles, groups }
    }

    pub(super) fn of(case: &Case<'_>, rules: &[Rule]) -> Self {
        let Case { bundle, question, context, .. } = case;
        let roles: Vec<&Role> = rules.iter().filter_map(|rule| rule.who().role()).collect();
        let groups: Vec<&Group> = rules.iter().filter_map(|rule| rule.on().group()).collect();
        let subject = question.subject.to_string();
        let device = question.resource.device.as_str();
        Self {
            rules: rules.iter().map(columns).collect(),
            roles: pairs(&subject, case.roles.direct(context.now), bundle.role_links(), &roles),
            groups: pairs(device, case.groups.direct(context.now), bundle.group_links(), &groups),
        }
    }
}

/// Returns the direct memberships that lead to one of `wanted`, and the links on the path.
fn pairs<'a, T: Ord + Clone + ToString + 'a>(
    member: &str,
    direct: impl Iterator<Item = &'a T>,
    links: &Links<T>,
    wanted: &[&T],
) -> Vec<(String, String)> {
    let mut found = BTreeSet::new();
    for one in direct {
        let leads_to = links.closure([one.clone()]);
        if leads_to.iter().any(|one| wanted.contains(&one)) {
            found.insert((member.to_owned(), one.to_string()));
            let further = links.from(&leads_to);
            found.extend(further.map(|(from, to)| (from.to_string(), to.to_string())));
        }
    }
    found.into_iter().collect()
}

fn columns(rule: &Rule) -> Vec<String> {
    vec![
        rule.who().to_string(),
        rule.on().to_string(),
        rule.path().to_string(),
        rule.acts().to_string(),
        rule.when().to_string(),
        rule.effect().to_string(),
    ]
}
