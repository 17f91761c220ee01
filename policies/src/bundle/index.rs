//! Finds the few rules that can bear on a question, whatever the number of rules: by who, by what,
//! and by the literal beginning of the path. It may find too many, never too few; what it finds is
//! held against the question in full.

use std::collections::HashMap;

use doorward_model::{Device, Group, Path, Role, Segment, Subject};

use super::rule::{On, Rule, Who};

/// The rules of a bundle, by number.
#[derive(Debug, Default)]
pub(crate) struct Index(HashMap<Who, HashMap<On, Node>>);

/// A place in a tree of path segments.
#[derive(Debug, Default)]
struct Node {
    /// The rules whose literal beginning ends here.
    here: Vec<u32>,
    /// Where it goes on, by the next literal segment.
    next: HashMap<Box<str>, Node>,
}

impl Index {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (number, rule) in (0..).zip(rules) {
            let cells = index.0.entry(rule.who().clone()).or_default();
            let mut node = cells.entry(rule.on().clone()).or_default();
            for segment in rule.path().literal_beginning() {
                node = node.next.entry(segment.into()).or_default();
            }
            node.here.push(number);
        }
        index
    }

    /// Whether some rule speaks of `who`.
    pub(super) fn names(&self, who: &Who) -> bool {
        self.0.contains_key(who)
    }

    /// The numbers of the rules that can bear on a question, in order.
    pub(super) fn find(
        &self,
        subject: &Subject,
        roles: &[Role],
        device: &Device,
        groups: &[Group],
        path: &Path,
    ) -> Vec<u32> {
        let ons: Vec<On> =
            groups.iter().cloned().map(On::Group).chain([On::Device(device.clone())]).collect();
        let whos = roles.iter().cloned().map(Who::Role).chain([Who::Subject(subject.clone())]);
        let mut found = Vec::new();
        for who in whos {
            let Some(cells) = self.0.get(&who) else { continue };
            for cell in ons.iter().filter_map(|on| cells.get(on)) {
                cell.find(path.segments(), path.is_open(), &mut found);
            }
        }
        found.sort_unstable();
        found
    }
}

impl Node {
    fn find(&self, asked: &[Segment], open: bool, found: &mut Vec<u32>) {
        found.extend(&self.here);
        match asked.split_first() {
            Some((Segment::Text(text), rest)) => {
                if let Some(next) = self.next.get(&**text) {
                    next.find(rest, open, found);
                }
            }
            // A set may meet whatever comes here.
            Some(_) => self.next.values().for_each(|next| next.all(found)),
            None if open => self.next.values().for_each(|next| next.all(found)),
            // A path that ends here is shorter than any rule that goes on literally.
            None => {}
        }
    }

    fn all(&self, found: &mut Vec<u32>) {
        found.extend(&self.here);
        self.next.values().for_each(|next| next.all(found));
    }
}
