//! The roles and groups that memberships lead to, each with the way there.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::bundle::Links;
use crate::membership::Membership;

/// How a role or group is reached from a direct membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached<T> {
    /// The direct membership, then each link to the role or group itself.
    pub(super) via: Vec<T>,
    /// When the direct membership ends.
    pub(super) until: Option<Timestamp>,
}

/// Returns the roles or groups that these memberships lead to. Of several ways to one, the one that
/// lasts longest is taken, and of these a shortest one.
pub(super) fn reached<T: Ord + Clone>(
    links: &Links<T>,
    mut direct: Vec<Membership<T>>,
) -> BTreeMap<T, Reached<T>> {
    // A membership without an end lasts longest.
    direct.sort_by_key(|one| (one.until.is_some(), std::cmp::Reverse(one.until)));
    let mut found: BTreeMap<T, Reached<T>> = BTreeMap::new();
    let mut rest = direct.into_iter().peekable();
    while let Some(first) = rest.next() {
        let until = first.until;
        let mut level = vec![vec![first.of]];
        while let Some(same) = rest.next_if(|one| one.until == until) {
            level.push(vec![same.of]);
        }
        while !level.is_empty() {
            let mut next = Vec::new();
            for via in level {
                let Some(last) = via.last() else { continue };
                if found.contains_key(last) {
                    continue;
                }
                for (_, to) in links.from(std::slice::from_ref(last)) {
                    next.push([via.as_slice(), std::slice::from_ref(to)].concat());
                }
                found.insert(last.clone(), Reached { via, until });
            }
            level = next;
        }
    }
    found
}
