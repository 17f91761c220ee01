//! The referee asks Casbin again, with rules that it finds without the compiled form.
//!
//! It reads the bundle's text line by line and follows links with its own code. It shares no code
//! with the other searches, so it notices a rule that they lose.

use std::collections::{BTreeMap, BTreeSet};

use doorward_model::Path;

use super::casbin::{EnforceArguments, JudgeError, Slice, permits_on};
use crate::bundle::BundleText;
use crate::pattern::Pattern;
use crate::question::Question;
use crate::supposed::Supposed;

/// The most rules for one question. Questions with more are left out.
const MOST: usize = 4096;
/// The most rules of one effect that Casbin gets at once.
const SLICE: usize = 128;

/// Returns Casbin's answer to each question: whether it is permitted, or `None` if too many rules
/// bear on it. One pass over the text serves all questions.
pub(crate) fn rulings(
    text: &BundleText,
    asked: &[Supposed],
) -> Vec<Result<Option<bool>, JudgeError>> {
    let (roles, groups) = (links(&text.roles), links(&text.groups));
    let mut sides: Vec<Side<'_>> =
        asked.iter().map(|asked| Side::new(asked, &roles, &groups)).collect();
    // The questions that each name in the first column matters to.
    let mut interested: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, side) in sides.iter().enumerate() {
        for who in &side.whos {
            interested.entry(who.clone()).or_default().push(number);
        }
    }
    for line in text.policy.lines() {
        let line = line.trim_start_matches('\u{feff}');
        let mut columns = line.split(',').map(str::trim);
        if columns.next() != Some("p") {
            continue;
        }
        let Some(who) = columns.next() else { continue };
        let Some(numbers) = interested.get(who) else { continue };
        let [Some(on), Some(path), Some(acts), Some(when), Some(effect)] =
            [(); 5].map(|()| columns.next())
        else {
            continue;
        };
        let mut pattern: Option<Pattern> = None;
        for number in numbers {
            let Some(side) = sides.get_mut(*number) else { continue };
            if !side.ons.contains(on) || !side.acts(acts) {
                continue;
            }
            if pattern.is_none() {
                pattern = path.parse().ok();
            }
            let Some(pattern) = &pattern else { continue };
            let asked: &Path = &side.asked.question.resource.path;
            let mut names = std::iter::once(asked).chain(&side.asked.aliases);
            let (bears, rules) = match effect {
                "deny" => (names.any(|name| pattern.overlaps(name)), &mut side.denies),
                _ => (pattern.covers(asked), &mut side.allows),
            };
            if bears {
                let rule = [who, on, path, acts, when, effect].map(str::to_owned).to_vec();
                rules.push(rule);
            }
        }
    }
    sides.iter().map(|side| side.ruling(&roles, &groups)).collect()
}

/// The links of a file by their first name.
type Linked<'a> = BTreeMap<&'a str, Vec<&'a str>>;

fn links(text: &str) -> Linked<'_> {
    let mut found = Linked::new();
    for line in text.lines().map(|line| line.trim_start_matches('\u{feff}')) {
        let columns: Vec<&str> = line.split(',').map(str::trim).collect();
        if let ["g" | "g2", from, to] = columns[..] {
            found.entry(from).or_default().push(to);
        }
    }
    found
}

/// Returns all names that `start` leads to, and `start` itself.
fn reached(start: impl Iterator<Item = String>, links: &Linked<'_>) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = start.collect();
    loop {
        let next = found.iter().filter_map(|one| links.get(one.as_str())).flatten();
        let next: Vec<String> = next.map(|one| (*one).to_owned()).collect();
        let before = found.len();
        found.extend(next);
        if found.len() == before {
            return found;
        }
    }
}

/// A question, and the rules that were found for it.
struct Side<'a> {
    asked: &'a Supposed,
    whos: BTreeSet<String>,
    ons: BTreeSet<String>,
    allows: Vec<Vec<String>>,
    denies: Vec<Vec<String>>,
}

impl<'a> Side<'a> {
    fn new(asked: &'a Supposed, roles: &Linked<'_>, groups: &Linked<'_>) -> Self {
        let Question { subject, resource, .. } = &asked.question;
        let mut whos = reached(asked.roles.iter().map(ToString::to_string), roles);
        whos.insert(subject.to_string());
        let mut ons = reached(asked.groups.iter().map(ToString::to_string), groups);
        ons.insert(resource.device.to_string());
        Self { asked, whos, ons, allows: vec![], denies: vec![] }
    }

    fn acts(&self, acts: &str) -> bool {
        let action = self.asked.question.action.as_str();
        acts == "*" || acts.split('|').any(|one| one.trim() == action)
    }

    /// Returns Casbin's answer. Casbin permits if one allow rule applies and no deny rule does, so
    /// it can be asked in parts: one part of the allow rules must permit alone, and still permit
    /// with each part of the deny rules.
    fn ruling(&self, roles: &Linked<'_>, groups: &Linked<'_>) -> Result<Option<bool>, JudgeError> {
        if self.allows.len() + self.denies.len() > MOST {
            return Ok(None);
        }
        let Supposed { question, aliases, .. } = self.asked;
        let ask = || EnforceArguments::of((question, aliases), &self.asked.context());
        for allows in self.allows.chunks(SLICE) {
            let slice =
                |denies: &[Vec<String>]| self.slice(&[allows, denies].concat(), roles, groups);
            if !permits_on(slice(&[]), ask())? {
                continue;
            }
            for denies in self.denies.chunks(SLICE) {
                if !permits_on(slice(denies), ask())? {
                    return Ok(Some(false));
                }
            }
            return Ok(Some(true));
        }
        Ok(Some(false))
    }

    fn slice(&self, rules: &[Vec<String>], roles: &Linked<'_>, groups: &Linked<'_>) -> Slice {
        let Supposed { question, roles: of_subject, groups: of_device, .. } = self.asked;
        let (subject, device) =
            (question.subject.to_string(), question.resource.device.to_string());
        let roles = pairs(&subject, of_subject, &self.whos, roles);
        let groups = pairs(&device, of_device, &self.ons, groups);
        Slice::new(rules.to_vec(), roles, groups)
    }
}

fn pairs<T: ToString>(
    member: &str,
    direct: &[T],
    all: &BTreeSet<String>,
    links: &Linked<'_>,
) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> =
        direct.iter().map(|one| (member.to_owned(), one.to_string())).collect();
    for from in all {
        let to = links.get(from.as_str()).into_iter().flatten();
        found.extend(to.map(|to| (from.clone(), (*to).to_owned())));
    }
    found
}
