//! Requests about devices.

use doorward_model::{Action, Group, Kind, Name, Subject};
use doorward_store::{NewSubject, SubjectChanges};
use serde::Deserialize;

use crate::admin::{Answer, Call, Changed, actor, refused};
use crate::few::few;
use crate::gate::{Denied, Gate};
use crate::subjects::{CodeView, ForCode, still_off};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Add {
    agentless: bool,
    #[serde(deserialize_with = "few")]
    groups: Vec<Group>,
    ttl_seconds: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Change {
    enabled: Option<bool>,
    #[serde(deserialize_with = "few")]
    join: Vec<Group>,
    #[serde(deserialize_with = "few")]
    leave: Vec<Group>,
}

impl Call<'_> {
    fn device(&self) -> Result<Subject, Denied> {
        Ok(Subject::new(Kind::Device, self.name::<Name>(0)?))
    }

    pub(crate) async fn list_devices(self, gate: &mut Gate) -> Answer {
        self.list_subjects(gate, Kind::Device).await
    }

    pub(crate) async fn show_device(self, gate: &mut Gate) -> Answer {
        let device = self.device()?;
        self.show_subject(gate, device).await
    }

    pub(crate) async fn add_device(mut self, gate: &mut Gate) -> Answer {
        let subject = self.device()?;
        let Add { agentless, groups, ttl_seconds } = self.read().await?;
        for group in &groups {
            gate.ask(Action::Create, &format!("groups/{}", group.name()), self.now()).await?;
        }
        let may_return = agentless || self.ask_to_return(gate, &subject).await?;
        gate.record(Some(&format!("add {subject} {groups:?}"))).await?;
        let code = if agentless { None } else { Some(self.make_code(ttl_seconds)?) };
        let mut warnings = self.unknown_groups(&groups);
        let (shown, row) = code.unzip();
        let expires = row.as_ref().map(|row| row.expires);
        let new = NewSubject {
            subject: subject.clone(),
            agentless,
            roles: vec![],
            groups,
            code: row,
            may_return,
        };
        gate.stands()?;
        let added = self.parts.store.add_subject(actor(gate), new).await.map_err(refused)?;
        warnings.extend(still_off(&subject, added.value.enabled));
        Ok(Changed::of(&added, CodeView { subject, code: shown, expires, warnings }))
    }

    pub(crate) async fn change_device(mut self, gate: &mut Gate) -> Answer {
        let device = self.device()?;
        let Change { enabled, join, leave } = self.read().await?;
        let warnings = self.unknown_groups(&join);
        let changes = SubjectChanges { enabled, join, leave, ..SubjectChanges::default() };
        self.change_subject(gate, device, changes, warnings).await
    }

    pub(crate) async fn new_device_code(mut self, gate: &mut Gate) -> Answer {
        let device = self.device()?;
        let ForCode { ttl_seconds } = self.read().await?;
        self.new_code(gate, device, ttl_seconds).await
    }

    pub(crate) async fn revoke_device(self, gate: &mut Gate) -> Answer {
        let device = self.device()?;
        self.revoke_subject(gate, device).await
    }

    pub(crate) async fn remove_device(self, gate: &mut Gate) -> Answer {
        let device = self.device()?;
        self.remove_subject(gate, device).await
    }

    fn unknown_groups(&self, groups: &[Group]) -> Vec<String> {
        let snapshot = self.parts.leases.snapshot();
        let unknown = groups.iter().filter(|group| !snapshot.bundle().names_group(group));
        unknown
            .map(|group| format!("no rule speaks of {group} yet, so it changes nothing"))
            .collect()
    }
}
