//! What a subject or device is a member of, and all that this leads to.

use std::borrow::Cow;

use doorward_model::{Group, Role};
use jiff::Timestamp;

use crate::bundle::Bundle;
use crate::snapshot::Membership;

/// What somebody or something is a member of, with the numbers of all that it leads to under one
/// bundle.
#[derive(Clone, Debug)]
pub(crate) struct Held<T> {
    of: Vec<Membership<T>>,
    /// By memberships without an end.
    always: Box<[u32]>,
    /// By each that has one.
    ending: Box<[(Timestamp, Box<[u32]>)]>,
}

impl<T> Held<T> {
    /// In nothing.
    pub(crate) fn none() -> Self {
        Self { of: Vec::new(), always: Box::default(), ending: Box::default() }
    }

    /// The numbers of what is held at `now`, in order.
    pub(crate) fn numbers(&self, now: Timestamp) -> Cow<'_, [u32]> {
        let mut live = self.ending.iter().filter(|(until, _)| now < *until).peekable();
        if live.peek().is_none() {
            return Cow::Borrowed(&self.always);
        }
        let numbers = live.flat_map(|(_, numbers)| numbers).chain(&self.always).copied();
        Cow::Owned(in_order(numbers))
    }

    /// The first instant after `now` at which a membership ends.
    pub(crate) fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.ending.iter().map(|(until, _)| *until).filter(|until| now < *until).min()
    }

    /// What it is a direct member of at `now`.
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
    /// What a member of these roles holds under this bundle.
    pub(crate) fn roles_held(&self, of: Vec<Membership<Role>>) -> Held<Role> {
        held(of, |role| {
            let all = self.role_links().closure([role.clone()]);
            let number = |role: &Role| self.compiled().who("role/", role.name().as_str());
            all.iter().filter_map(number).collect()
        })
    }

    /// What a device in these groups is in under this bundle.
    pub(crate) fn groups_held(&self, of: Vec<Membership<Group>>) -> Held<Group> {
        held(of, |group| {
            let all = self.group_links().closure([group.clone()]);
            all.iter().filter_map(|group| self.compiled().group(group.name().as_str())).collect()
        })
    }
}

fn held<T>(of: Vec<Membership<T>>, numbers: impl Fn(&T) -> Vec<u32>) -> Held<T> {
    let forever = of.iter().filter(|one| one.until.is_none());
    let always = in_order(forever.flat_map(|one| numbers(&one.of)));
    let ending = of.iter().filter_map(|one| Some((one.until?, numbers(&one.of).into())));
    Held { always: always.into(), ending: ending.collect(), of }
}
