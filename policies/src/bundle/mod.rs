//! A bundle: policy text that has been read and checked.
//!
//! A bundle is read completely before Casbin or a decision uses any of it.

mod difference;
mod expectation;
mod links;

use std::sync::Arc;

use doorward_model::{Group, Role, Subject};

use crate::compiled::{Builder, Compiled, Hunk, RuleRef};
use crate::rule::{BundleError, BundleErrors, Reason, Rule, each_row};
pub(crate) use difference::difference;
pub use expectation::{Asker, Expectation};
pub(crate) use links::Links;

/// The files of a bundle, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleText {
    /// `model.conf`: must say what [`BundleText::MODEL`] says.
    pub model: String,
    /// `policy.csv`: `p, who, device or group, path, actions, when, allow|deny`.
    pub policy: String,
    /// `roles.csv`: `g, role/member, role/granted`.
    pub roles: String,
    /// `groups.csv`: `g2, group/inner, group/outer`.
    pub groups: String,
    /// `tests.toml`: questions with the expected answers.
    pub tests: String,
}

impl BundleText {
    /// The only model.
    pub const MODEL: &str = include_str!("../../bundles/default/model.conf");

    /// The names of a bundle's files, in the order of the fields.
    pub const FILES: [&str; 5] =
        ["model.conf", "policy.csv", "roles.csv", "groups.csv", "tests.toml"];

    /// The most bytes of all files of one bundle.
    pub const LIMIT: usize = 256 * 1024 * 1024;

    /// Returns the texts in the order of [`BundleText::FILES`].
    #[must_use]
    pub fn texts(&self) -> [&str; 5] {
        [&self.model, &self.policy, &self.roles, &self.groups, &self.tests]
    }
}

impl Default for BundleText {
    /// Returns the bundle of a new gateway.
    fn default() -> Self {
        Self {
            model: Self::MODEL.to_owned(),
            policy: include_str!("../../bundles/default/policy.csv").to_owned(),
            roles: include_str!("../../bundles/default/roles.csv").to_owned(),
            groups: include_str!("../../bundles/default/groups.csv").to_owned(),
            tests: include_str!("../../bundles/default/tests.toml").to_owned(),
        }
    }
}

/// A bundle that has been read and is valid.
#[derive(Debug)]
pub struct Bundle {
    text: Arc<BundleText>,
    compiled: Compiled,
    roles: Arc<Links<Role>>,
    groups: Arc<Links<Group>>,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// Everything that is wrong with the bundle, up to [`BundleErrors::LIMIT`] errors, each with
    /// file, line, column and reason.
    pub fn parse(text: BundleText) -> Result<Self, BundleErrors> {
        Self::compile(text, Builder::new())
    }

    /// Reads a bundle with an empty builder.
    fn compile(text: BundleText, mut builder: Builder) -> Result<Self, BundleErrors> {
        let mut errors = check(&text)?;
        each_row("policy.csv", &text.policy, &mut errors, |line, errors| {
            if let Err(error) = builder.add(line) {
                errors.refuse("policy.csv", line.number, error);
            }
        });
        let roles = links::read("roles.csv", "g", &text.roles, &mut errors);
        let groups = links::read("groups.csv", "g2", &text.groups, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let compiled = Compiled::of(builder);
        Self { text: Arc::new(text), compiled, roles: roles.into(), groups: groups.into() }.sound()
    }

    /// Reads a later version of this bundle. It shares what is unchanged, so the cost of a small
    /// edit does not depend on the number of rules.
    ///
    /// # Errors
    /// As [`Bundle::parse`].
    pub fn revise(&self, text: BundleText) -> Result<Self, BundleErrors> {
        let errors = check(&text)?;
        if !errors.is_empty() {
            return Err(errors);
        }
        let text = Arc::new(text);
        let edited = self.difference(&text).map(|difference| self.edited(&text, &difference));
        match edited.transpose()?.flatten() {
            Some(edited) => Ok(edited),
            None => Self::parse(Arc::unwrap_or_clone(text)),
        }
    }

    /// Returns the difference between this bundle and `text`, if it is in few lines of
    /// `policy.csv`. It reads each byte of both.
    #[must_use]
    pub fn difference<'a>(&self, text: &'a BundleText) -> Option<Difference<'a>> {
        let same = |of: fn(&BundleText) -> &String| of(text) == of(&self.text);
        let only_rules =
            same(|text| &text.model) && same(|text| &text.roles) && same(|text| &text.groups);
        let hunks = if only_rules { difference(&self.text.policy, &text.policy) } else { None };
        hunks.map(Difference)
    }

    /// Returns this bundle with an edit applied, whose text is `text`. Only the difference is
    /// compiled. `None` if so much was edited that parsing anew is better.
    ///
    /// # Errors
    /// As [`Bundle::parse`], for the lines of the difference.
    pub fn edited(
        &self,
        text: &Arc<BundleText>,
        difference: &Difference<'_>,
    ) -> Result<Option<Self>, BundleErrors> {
        let mut errors = BundleErrors::default();
        let compiled = self.compiled.edited(&difference.0, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let Some(compiled) = compiled else { return Ok(None) };
        let (roles, groups) = (Arc::clone(&self.roles), Arc::clone(&self.groups));
        Self { text: Arc::clone(text), compiled, roles, groups }.sound().map(Some)
    }

    fn sound(self) -> Result<Self, BundleErrors> {
        if !self.is_empty() {
            return Ok(self);
        }
        let mut errors = BundleErrors::default();
        errors.push(BundleError::new("policy.csv", 1, 1, Reason::NoRules));
        Err(errors)
    }

    /// Returns the bundle's text.
    #[must_use]
    pub fn text(&self) -> &Arc<BundleText> {
        &self.text
    }

    /// Reads the tests of `tests.toml`. They are read apart from the bundle, so that a test about
    /// something that no longer exists does not keep a gateway from starting.
    ///
    /// # Errors
    /// Everything that is wrong with the tests.
    pub fn tests(&self) -> Result<Vec<Expectation>, BundleErrors> {
        expectation::read(&self.text.tests)
    }

    /// Returns how many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.compiled.len()
    }

    /// Returns whether there are no rules, which is never so: such a bundle is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Yields the rules, in the order of `policy.csv`.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        self.compiled.rule_refs().filter_map(|rule| self.compiled.rule(rule))
    }

    /// Yields the rules on those lines of `policy.csv`, in their order.
    pub fn on_lines(&self, lines: &[usize]) -> impl Iterator<Item = Rule> {
        let wanted = |rule: &RuleRef| lines.contains(&(self.compiled.line(*rule) as usize));
        let found = if lines.is_empty() { None } else { Some(self.compiled.rule_refs()) };
        found.into_iter().flatten().filter(wanted).filter_map(|rule| self.compiled.rule(rule))
    }

    /// Returns whether a rule or link names `role`.
    #[must_use]
    pub fn names_role(&self, role: &Role) -> bool {
        self.compiled.who("role/", role.name().as_str()).is_some() || self.roles.names(role)
    }

    /// Returns whether a rule or link names `group`.
    #[must_use]
    pub fn names_group(&self, group: &Group) -> bool {
        self.compiled.group(group.name().as_str()).is_some() || self.groups.names(group)
    }

    /// Returns whether a rule names `subject`.
    pub(crate) fn names_subject(&self, subject: &Subject) -> bool {
        self.compiled.subject(subject).is_some()
    }

    /// Returns how many bytes of memory the bundle takes, its text included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let text: usize = self.text.texts().iter().map(|text| text.len()).sum();
        text + self.compiled.bytes()
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    pub(crate) fn role_links(&self) -> &Links<Role> {
        &self.roles
    }

    pub(crate) fn group_links(&self) -> &Links<Group> {
        &self.groups
    }

    /// Returns whether the same number means the same role or group in both, and the same links
    /// hold.
    pub(crate) fn numbers_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.roles, &other.roles)
            && Arc::ptr_eq(&self.groups, &other.groups)
            && self.compiled.numbers_like(&other.compiled)
    }
}

/// Lines of `policy.csv` that replace others.
#[derive(Clone, Debug)]
pub struct Difference<'a>(Vec<Hunk<'a>>);

/// Checks what needs no parsing: the size, and the model.
fn check(text: &BundleText) -> Result<BundleErrors, BundleErrors> {
    let mut errors = BundleErrors::default();
    let size: usize = text.texts().iter().map(|text| text.len()).sum();
    if size > BundleText::LIMIT {
        errors.push(BundleError::new("policy.csv", 1, 1, Reason::TooLarge));
        return Err(errors);
    }
    if meaning(&text.model) != meaning(BundleText::MODEL) {
        errors.push(model_difference(&text.model));
    }
    Ok(errors)
}

/// Returns the lines of a model without comments and spaces.
fn meaning(model: &str) -> Vec<String> {
    let line = |line: &str| line.split('#').next().unwrap_or_default().to_owned();
    let squeeze = |line: String| line.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    model.lines().map(line).map(squeeze).filter(|line| !line.is_empty()).collect()
}

fn model_difference(model: &str) -> BundleError {
    let ours = meaning(BundleText::MODEL);
    let mut said = 0;
    for (number, line) in model.lines().enumerate() {
        if let [theirs] = meaning(line).as_slice() {
            if ours.get(said) != Some(theirs) {
                return BundleError::new("model.conf", number + 1, 1, Reason::Model);
            }
            said += 1;
        }
    }
    BundleError::new("model.conf", model.lines().count().max(1), 1, Reason::Model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut BundleText)) -> String {
        let mut text = BundleText::default();
        change(&mut text);
        Bundle::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_default_bundle_is_sound() {
        assert!(Bundle::parse(BundleText::default()).is_ok());
    }

    #[test]
    fn a_broken_bundle_is_refused_with_file_line_and_reason() {
        let rule = |line: &str| refused(|text| text.policy = format!("# first\n{line}\n"));
        for (line, expected) in [
            ("q, role/a, x, **, *, , allow", "policy.csv:2:1: a rule begins with 'p'"),
            ("p, role/a, x, **, *, allow", "policy.csv:2:1: a rule has 7 columns"),
            ("p, role/a, x, **, *, , allow, more", "policy.csv:2:1: a rule has 7 columns"),
            ("p, alice, x, **, *, , allow", "policy.csv:2:4: 'alice' does not begin with"),
            ("p, *, x, **, *, , allow", "policy.csv:2:4: there is no wildcard for who"),
            ("p, , x, **, *, , allow", "policy.csv:2:4: this column cannot be empty"),
            ("p, role/A, x, **, *, , allow", "policy.csv:2:4: 'role/A': 'A' cannot be in a name"),
            ("p, role/a, device/x, **, *, , allow", "policy.csv:2:12: a device is written bare"),
            ("p, role/a, *, **, *, , allow", "policy.csv:2:12: there is no wildcard for devices"),
            ("p, role/a, x, , *, , allow", "policy.csv:2:15: this column cannot be empty"),
            ("p, role/a, x, a/**/b, *, , allow", "policy.csv:2:15: ** stands for"),
            ("p, role/a, x, **, , , allow", "policy.csv:2:19: this column cannot be empty"),
            ("p, role/a, x, **, go, , allow", "policy.csv:2:19: 'go' is no action"),
            ("p, role/a, x, **, get|, , allow", "policy.csv:2:19: '' is no action"),
            ("p, role/a, x, **, get|*, , allow", "policy.csv:2:19: '*' is no action"),
            ("p, role/a, x, **, *, soon, allow", "policy.csv:2:22: 'soon' is no condition"),
            ("p, role/a, x, **, *, , Allow", "policy.csv:2:24: the last column is allow or deny"),
            ("p, role/a, x, **, *, , Deny", "policy.csv:2:24: the last column is allow or deny"),
            ("p, role/a, x, **, *, ,", "policy.csv:2:23: this column cannot be empty"),
            ("p, \"role/a\", x, **, *, , allow", "policy.csv:2:4: fields have no quotes"),
        ] {
            let error = rule(line);
            assert!(error.starts_with(expected), "{line}\n  {error}\n  {expected}");
        }
        assert!(refused(|text| text.policy = "# none\n".into()).contains("no rule"));
    }

    #[test]
    fn links_are_refused_with_file_line_and_reason() {
        let roles = |lines: &str| refused(|text| text.roles = lines.into());
        let groups = |lines: &str| refused(|text| text.groups = lines.into());
        let chain = |kind: &str, links: usize| -> String {
            let word = if kind == "role" { "g" } else { "g2" };
            let link = |n| format!("{word}, {kind}/a{n}, {kind}/a{}\n", n + 1);
            (0..links).map(link).collect()
        };
        for (error, expected) in [
            (roles("g, user/alice, role/a"), "roles.csv:1:4: membership is not policy text"),
            (roles("g, role/a, user/alice"), "roles.csv:1:12: 'user/alice' does not begin"),
            (roles("g2, role/a, role/b"), "roles.csv:1:1: a link begins with 'g'"),
            (roles("g, role/a"), "roles.csv:1:1: a link has 3 columns"),
            (roles("g, role/a, role/a"), "roles.csv:1:4: role/a leads back to itself"),
            (
                roles("g, role/a, role/b\ng, role/b, role/c\ng, role/c, role/a"),
                "roles.csv:1:4: role/a leads back to itself",
            ),
            (roles(&chain("role", 9)), "roles.csv:1:4: the chain from role/a0 has more than 8"),
            (groups("g2, thing, group/a"), "groups.csv:1:5: membership is not policy text"),
            (groups("g, group/a, group/b"), "groups.csv:1:1: a link begins with 'g2'"),
            (groups(&chain("group", 9)), "groups.csv:1:5: the chain from group/a0 has more"),
        ] {
            assert!(error.starts_with(expected), "\n  {error}\n  {expected}");
        }
        let text = BundleText { roles: chain("role", 8), ..BundleText::default() };
        assert!(Bundle::parse(text).is_ok());
    }

    #[test]
    fn the_model_is_fixed() {
        let reworded = BundleText::MODEL.replace(" = ", "=").replace("# The", "# One");
        let text = BundleText { model: reworded, ..BundleText::default() };
        assert!(Bundle::parse(text).is_ok());
        let open = BundleText::MODEL.replace("&& !some(where (p.eft == deny))", "");
        assert!(
            refused(|text| text.model = open).starts_with("model.conf:14:1: the model is fixed")
        );
        assert!(refused(|text| text.model = String::new()).contains("the model is fixed"));
    }

    #[test]
    fn every_error_is_named_at_once() {
        let error = refused(|text| {
            text.policy = "p, a\np, b\n".into();
            text.roles = "x\n".into();
        });
        assert_eq!(error.lines().count(), 3, "{error}");
        let many = refused(|text| text.policy = "p, a\n".repeat(1000));
        assert_eq!(many.lines().count(), BundleErrors::LIMIT + 1);
    }

    #[test]
    fn an_edit_makes_no_bundle_that_could_not_be_read() {
        let text = BundleText {
            policy: "p, role/a, box, **, *, , allow\n".to_owned(),
            ..BundleText::default()
        };
        let bundle = Bundle::parse(text.clone()).unwrap();
        let tests = "#".repeat(BundleText::LIMIT);
        let said = bundle.revise(BundleText { tests, ..text.clone() }).unwrap_err().to_string();
        assert!(said.contains("MiB"), "{said}");
        assert!(bundle.revise(text).is_ok());
    }

    #[test]
    fn paths_make_no_more_nodes_than_fit_in_memory() {
        use std::fmt::Write as _;

        use crate::compiled::MAX_NODES;
        // A bundle within the limit of its text could have more.
        assert!(BundleText::LIMIT / "/a".len() > MAX_NODES as usize);
        let compile = |lines: u32, bound: u32| {
            let mut policy = String::new();
            let rest = "/a".repeat(126);
            for number in 0..lines {
                writeln!(policy, "p, role/a, box, {number}{rest}, *, , allow").unwrap();
            }
            // The nodes of each effect are counted for themselves.
            writeln!(policy, "p, role/a, box, x, *, , deny").unwrap();
            let text = BundleText { policy, ..BundleText::default() };
            Bundle::compile(text, Builder::bounded(bound)).map_err(|error| error.to_string())
        };
        // The root, and 127 nodes for each line. A line is refused once there are too many.
        assert!(compile(9, 8 * 127 + 1).is_ok());
        let said = compile(9, 8 * 127).unwrap_err();
        assert!(said.starts_with("policy.csv:9:17: "), "{said}");
        assert!(said.contains("more than 1016 different beginnings"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
