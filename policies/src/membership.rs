//! Subjects and their memberships in roles and groups, and the numbers of all roles and groups that
//! they lead to.

use std::borrow::Cow;

use doorward_model::{Group, Kind, Role, SubjectId};
use jiff::Timestamp;

use crate::bundle::Bundle;

/// A membership in a role or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership<T> {
    /// The role or group.
    pub of: T,
    /// The first instant at which it no longer counts; `None` if it does not end by itself.
    pub until: Option<Timestamp>,
}

/// A subject in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The immutable number of its name.
    pub id: SubjectId,
    /// Whether it may act and, if it is a device, be acted on.
    pub enabled: bool,
    /// Its direct roles.
    pub roles: Vec<Membership<Role>>,
    /// Its direct groups, if it is a device.
    pub groups: Vec<Membership<Group>>,
}

/// Returns `these` with the built-in membership.
pub(crate) fn with_built_in<T: Clone>(
    these: &[Membership<T>],
    built_in: Option<T>,
) -> Vec<Membership<T>> {
    let built_in = built_in.map(|of| Membership { of, until: None });
    these.iter().cloned().chain(built_in).collect()
}

/// Returns the role that every subject of a kind has.
pub(crate) fn built_in_role(kind: Kind) -> Option<Role> {
    let name = match kind {
        Kind::User => "users",
        Kind::Device => "devices",
        Kind::Gateway => return None,
    };
    name.parse().ok().map(Role::new)
}

/// Returns the group that every device but the gateway is in.
pub(crate) fn built_in_group() -> Option<Group> {
    "devices".parse().ok().map(Group::new)
}

/// The direct memberships of a subject or device, with the numbers of all roles or groups that they
/// lead to under one bundle.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedMemberships<T> {
    of: Vec<Membership<T>>,
    /// The numbers from memberships that do not end.
    always: Box<[u32]>,
    /// The numbers from each membership that ends, with its end.
    ending: Box<[(Timestamp, Box<[u32]>)]>,
}

impl<T> ResolvedMemberships<T> {
    /// Returns no memberships.
    pub(crate) fn none() -> Self {
        Self { of: Vec::new(), always: Box::default(), ending: Box::default() }
    }

    /// Returns the numbers that count at `now`, sorted.
    pub(crate) fn numbers(&self, now: Timestamp) -> Cow<'_, [u32]> {
        let mut live = self.ending.iter().filter(|(until, _)| now < *until).peekable();
        if live.peek().is_none() {
            return Cow::Borrowed(&self.always);
        }
        let numbers = live.flat_map(|(_, numbers)| numbers).chain(&self.always).copied();
        Cow::Owned(in_order(numbers))
    }

    /// Returns the first instant after `now` at which a membership ends.
    pub(crate) fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.ending.iter().map(|(until, _)| *until).filter(|until| now < *until).min()
    }

    /// Yields the direct memberships at `now`.
    pub(crate) fn direct(&self, now: Timestamp) -> impl Iterator<Item = &T> {
        let live = self.of.iter().filter(move |one| one.until.is_none_or(|until| now < until));
        live.map(|one| &one.of)
    }
}

fn in_order(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

impl Bundle {
    /// Resolves memberships in roles under this bundle.
    pub(crate) fn resolve_roles(&self, of: Vec<Membership<Role>>) -> ResolvedMemberships<Role> {
        resolve(of, |role| {
            let all = self.role_links().closure([role.clone()]);
            let number = |role: &Role| self.compiled().who("role/", role.name().as_str());
            all.iter().filter_map(number).collect()
        })
    }

    /// Resolves memberships in groups under this bundle.
    pub(crate) fn resolve_groups(&self, of: Vec<Membership<Group>>) -> ResolvedMemberships<Group> {
        resolve(of, |group| {
            let all = self.group_links().closure([group.clone()]);
            all.iter().filter_map(|group| self.compiled().group(group.name().as_str())).collect()
        })
    }
}

fn resolve<T>(of: Vec<Membership<T>>, numbers: impl Fn(&T) -> Vec<u32>) -> ResolvedMemberships<T> {
    let forever = of.iter().filter(|one| one.until.is_none());
    let always = in_order(forever.flat_map(|one| numbers(&one.of)));
    let ending = of.iter().filter_map(|one| Some((one.until?, numbers(&one.of).into())));
    ResolvedMemberships { always: always.into(), ending: ending.collect(), of }
}
