use std::net::IpAddr;
use std::sync::Arc;

use doorward_model::{Action, Device, Kind, Resource, Revision, Subject};
use doorward_policies::{Bundle, BundleText, Opinion, Snapshot};
use doorward_session::{Problem, json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::admin::{Answer, Call, Changed, actor, denied, refused, sentence, wrong};
use crate::gate::{Denied, Gate};

#[derive(Serialize)]
struct BundleView {
    revision: Revision,
    at: Timestamp,
    author: String,
    rules: usize,
    model: String,
    policy: String,
    roles: String,
    groups: String,
    tests: String,
}

/// A bundle to be applied. What is absent stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Apply {
    #[serde(default)]
    model: Option<String>,
    policy: String,
    #[serde(default)]
    roles: Option<String>,
    #[serde(default)]
    groups: Option<String>,
    #[serde(default)]
    tests: Option<String>,
    #[serde(default)]
    force_lockout: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    subject: Subject,
    action: Action,
    resource: String,
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(default)]
    from: Option<IpAddr>,
}

#[derive(Serialize)]
struct CheckView {
    permit: bool,
    #[serde(flatten)]
    opinion: Opinion,
    /// The reason in words.
    why: String,
    /// The rules that decided, as they stand in `policy.csv`.
    text: Vec<String>,
}

impl Call<'_> {
    pub(crate) async fn show_policy(self, gate: &mut Gate) -> Answer {
        gate.record(None).await?;
        let found = self.parts.store.bundle().await.map_err(refused)?;
        let BundleText { model, policy, roles, groups, tests } = found.text;
        let rules = self.parts.leases.snapshot().bundle().rules().len();
        let (revision, at, author) = (found.revision, found.at, found.author);
        Ok(json(&BundleView { revision, at, author, rules, model, policy, roles, groups, tests }))
    }

    pub(crate) async fn apply_policy(mut self, gate: &mut Gate) -> Answer {
        #[derive(Serialize)]
        struct Applied {
            revision: Revision,
            rules: usize,
        }
        let body: Apply = self.read_up_to(BundleText::LIMIT).await?;
        let present = self.parts.leases.snapshot();
        let former = present.bundle().text();
        let or = |given: Option<String>, former: &str| given.unwrap_or_else(|| former.to_owned());
        let text = BundleText {
            model: or(body.model, &former.model),
            policy: body.policy,
            roles: or(body.roles, &former.roles),
            groups: or(body.groups, &former.groups),
            tests: or(body.tests, &former.tests),
        };
        // A large bundle takes its time; others are served meanwhile.
        let parsed = tokio::task::spawn_blocking(move || Bundle::parse(text)).await;
        let bundle = match parsed {
            Ok(Ok(bundle)) => Arc::new(bundle),
            Ok(Err(errors)) => return Err(wrong(errors)),
            Err(_) => return Err(denied(crate::gate::failed())),
        };
        if !body.force_lockout {
            self.keep_an_administrator(&present, &bundle)?;
        }
        let rules = bundle.rules().len();
        gate.record(Some(&format!("apply {rules} rules"))).await?;
        gate.stands()?;
        let applied = self.parts.store.apply(actor(gate), &bundle).await.map_err(refused)?;
        Ok(Changed::of(&applied, Applied { revision: applied.value, rules }))
    }

    /// Refuses a bundle under which nobody could change the policy any more.
    fn keep_an_administrator(
        &self,
        present: &Snapshot,
        bundle: &Arc<Bundle>,
    ) -> Result<(), Denied> {
        let now = self.now();
        let next = present.clone().with_bundle(present.revision(), Arc::clone(bundle));
        let can_change = |subject: &Subject| {
            let question =
                next.question(subject.clone(), Action::Update, Device::Gateway, "policies", None);
            question.is_ok_and(|question| next.opinion(&question, now).permits())
        };
        let mut people = next.members().filter(|(subject, _)| subject.kind() == Kind::User);
        if people.any(|(subject, _)| can_change(subject)) {
            return Ok(());
        }
        Err(denied(Problem::new(
            409,
            "Lockout",
            "Under this bundle nobody could change the policy any more: no user may update \
             gateway/policies. Nothing was changed. If you mean it, add --force-lockout.",
        )))
    }

    pub(crate) async fn check_policy(mut self, gate: &mut Gate) -> Answer {
        let Check { subject, action, resource, at, from } = self.read().await?;
        let split = Resource::split(&resource);
        let (device, path) = split.map_err(|error| wrong(sentence(&error.to_string())))?;
        gate.record(None).await?;
        let snapshot = self.parts.leases.snapshot();
        let question = snapshot.question(subject, action, device, path, from);
        let question = question.map_err(|error| wrong(sentence(&error.to_string())))?;
        let opinion = snapshot.opinion(&question, at.unwrap_or_else(|| self.now()));
        let rules = snapshot.bundle().rules().iter();
        let text = rules.filter(|rule| opinion.rules.contains(&rule.line()));
        let text = text.map(|rule| format!("policy.csv:{} {rule}", rule.line())).collect();
        let why = match opinion.refusal {
            None => "a rule allows it".to_owned(),
            Some(refusal) => refusal.to_string(),
        };
        Ok(json(&CheckView { permit: opinion.permits(), opinion, why, text }))
    }
}
