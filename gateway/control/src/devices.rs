//! Requests about devices.

use doorward_api::{CodeRequest, DeviceAddition, DeviceChange, IssuedCode, endpoint};
use doorward_model::{Action, Group, Kind, Name, Subject};
use doorward_store::{NewSubject, SubjectChanges};

use crate::gate::{Denied, Gate};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, actor, changed, refused};
use crate::subjects::still_off_warning;

impl AdminRequest<'_> {
    fn device(&self) -> Result<Subject, Denied> {
        Ok(Subject::new(Kind::Device, self.name::<Name>(0)?))
    }

    pub(crate) async fn list_devices(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ListDevices> {
        self.list_subjects(gate, Kind::Device).await
    }

    pub(crate) async fn show_device(self, gate: &mut Gate) -> EndpointResult<endpoint::ShowDevice> {
        let device = self.device()?;
        self.show_subject(gate, device).await
    }

    pub(crate) async fn add_device(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::AddDevice> {
        let subject = self.device()?;
        let DeviceAddition { agentless, groups, ttl_seconds } = self.read().await?;
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
        gate.check_permits()?;
        let added = self.parts.store.add_subject(actor(gate), new).await.map_err(refused)?;
        warnings.extend(still_off_warning(&subject, added.value.enabled));
        Ok(changed(&added, IssuedCode { subject, code: shown, expires, warnings }))
    }

    pub(crate) async fn change_device(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ChangeDevice> {
        let device = self.device()?;
        let DeviceChange { enabled, join, leave } = self.read().await?;
        let warnings = self.unknown_groups(&join);
        let changes = SubjectChanges { enabled, join, leave, ..SubjectChanges::default() };
        self.change_subject(gate, device, changes, warnings).await
    }

    pub(crate) async fn new_device_code(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::NewDeviceCode> {
        let device = self.device()?;
        let CodeRequest { ttl_seconds } = self.read().await?;
        self.new_code(gate, device, ttl_seconds).await
    }

    pub(crate) async fn revoke_device(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::RevokeDevice> {
        let device = self.device()?;
        self.revoke_subject(gate, device).await
    }

    pub(crate) async fn remove_device(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::RemoveDevice> {
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
