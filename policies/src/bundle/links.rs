//! Links from roles to roles and from groups to groups.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use doorward_model::SubjectError;

use crate::rule::{BundleError, BundleErrors, Reason, TableRow, each_row};

/// The links of `roles.csv` or `groups.csv`: a member of the first name is a member of the second,
/// too.
///
/// Casbin follows at most 10 links and then stops silently. So a chain of more than 8 links is
/// refused (one more is the membership itself), and so is a circle.
#[derive(Debug)]
pub(crate) struct Links<T>(BTreeMap<T, BTreeSet<T>>);

const DEPTH: usize = 8;

impl<T: Ord + Clone> Links<T> {
    /// Returns everything that `start` leads to, `start` included.
    pub(crate) fn closure(&self, start: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut found: Vec<T> = Vec::new();
        let mut known = BTreeSet::new();
        let mut next: Vec<T> = start.into_iter().collect();
        while let Some(one) = next.pop() {
            if known.insert(one.clone()) {
                next.extend(self.0.get(&one).into_iter().flatten().cloned());
                found.push(one);
            }
        }
        found
    }

    /// Yields the links that start at one of `these`.
    pub(crate) fn from<'a>(&'a self, these: &'a [T]) -> impl Iterator<Item = (&'a T, &'a T)> {
        let pairs = |from| self.0.get(from).into_iter().flatten().map(move |to| (from, to));
        these.iter().flat_map(pairs)
    }

    /// Returns whether a link names `one`.
    pub(crate) fn names(&self, one: &T) -> bool {
        self.0.contains_key(one) || self.0.values().any(|granted| granted.contains(one))
    }

    /// Returns the length of the longest chain from `one`, in links; `None` if it has more than
    /// `left`.
    fn height(&self, one: &T, left: usize, known: &mut BTreeMap<T, usize>) -> Option<usize> {
        if let Some(height) = known.get(one) {
            return (*height <= left).then_some(*height);
        }
        let mut height = 0;
        for next in self.0.get(one).into_iter().flatten() {
            let below = self.height(next, left.checked_sub(1)?, known)?;
            height = height.max(below + 1);
        }
        known.insert(one.clone(), height);
        Some(height)
    }
}

pub(super) fn read<T>(
    file: &'static str,
    marker: &'static str,
    text: &str,
    errors: &mut BundleErrors,
) -> Links<T>
where
    T: FromStr<Err = SubjectError> + Ord + Clone + Display,
{
    let mut links = Links(BTreeMap::new());
    let mut starts = Vec::new();
    each_row(file, text, errors, |line, errors| match link(line, marker) {
        Ok((from, to, column)) => {
            links.0.entry(T::clone(&from)).or_default().insert(to);
            starts.push((from, line.number, column));
        }
        Err(error) => errors.refuse(file, line.number, error),
    });
    let mut known = BTreeMap::new();
    for (from, line, column) in starts {
        if links.height(&from, DEPTH, &mut known).is_none() {
            let beyond = links.0.get(&from).into_iter().flatten().cloned();
            let circle = links.closure(beyond).contains(&from);
            let reason = if circle { Reason::Cycle } else { Reason::Depth };
            errors.push(BundleError::new(file, line, column, reason(from.to_string())));
            // Later links of the same chain fail for the same reason.
            break;
        }
    }
    links
}

fn link<T>(line: &TableRow<'_>, marker: &'static str) -> Result<(T, T, usize), (usize, Reason)>
where
    T: FromStr<Err = SubjectError>,
{
    if let Some(first) = line.fields().first().filter(|first| first.text != marker) {
        let found = first.text.to_owned();
        return Err((first.column, Reason::Marker { kind: "a link", expected: marker, found }));
    }
    let Some([_, from, to]) = line.exactly() else {
        let column = line.fields().first().map_or(1, |first| first.column);
        let form = match marker {
            "g" => "g, role/member, role/granted",
            _ => "g2, group/inner, group/outer",
        };
        let found = line.count();
        return Err((column, Reason::Columns { kind: "a link", expected: 3, found, form }));
    };
    let member = from.text.parse().map_err(|error| {
        let reason = match error {
            SubjectError::Kind { .. } if marker == "g" && from.text.starts_with("device/") => {
                Reason::Membership("doorward device set NAME --role ROLE")
            }
            SubjectError::Kind { .. } if marker == "g" => {
                Reason::Membership("doorward user set NAME --role ROLE")
            }
            SubjectError::Kind { .. } => {
                Reason::Membership("doorward device set NAME --group GROUP")
            }
            error @ SubjectError::Name { .. } => Reason::Name(error),
        };
        (from.column, reason)
    })?;
    let granted = to.text.parse().map_err(|error: SubjectError| (to.column, error.into()))?;
    Ok((member, granted, from.column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_model::Role;

    #[test]
    fn a_closure_follows_every_link_once() {
        let mut errors = BundleErrors::default();
        let text = "g, role/a, role/b\ng, role/b, role/c\ng, role/a, role/c\ng, role/x, role/a\n";
        let links: Links<Role> = read("roles.csv", "g", text, &mut errors);
        let names = |roles: Vec<Role>| {
            let mut names: Vec<String> = roles.iter().map(Role::to_string).collect();
            names.sort();
            names
        };
        let a: Role = "role/a".parse().unwrap();
        assert_eq!(names(links.closure([a.clone()])), ["role/a", "role/b", "role/c"]);
        assert_eq!(links.from(&[a]).count(), 2);
        assert!(errors.is_empty());
    }
}
