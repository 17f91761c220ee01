//! Requests about devices.

use doorward_api::{CodeRequest, DeviceAddition, DeviceChange, Removal, endpoint};
use doorward_model::{Kind, Name, Subject};
use doorward_store::SubjectChanges;

use crate::gate::{Denied, Gate};
use crate::preview::Manner;
use crate::request::AdminRequest;
use crate::response::EndpointResult;
use crate::subjects::title_change;

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
        let device = self.device()?;
        let addition: DeviceAddition = self.read().await?;
        let DeviceAddition { agentless, title, groups, roles, until, ttl_seconds, dry_run } =
            addition;
        let grant = roles.into_iter().map(|role| (role, until)).collect();
        let title = title_change(title, false)?;
        let given = SubjectChanges { title, grant, join: groups, ..SubjectChanges::default() };
        self.add_subject(gate, device, agentless, (given, ttl_seconds), dry_run).await
    }

    pub(crate) async fn change_device(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ChangeDevice> {
        let device = self.device()?;
        let change: DeviceChange = self.read().await?;
        let DeviceChange { enabled, join, leave, grant, take, dry_run, .. } = change;
        let title = title_change(change.title, change.remove_title)?;
        let grant = grant.into_iter().map(|grant| (grant.role, grant.until)).collect();
        let changes = SubjectChanges { enabled, title, grant, take, join, leave };
        self.change_subject(gate, device, changes, Manner { dry_run, force_lockout: false }).await
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
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::RemoveDevice> {
        let device = self.device()?;
        let Removal { dry_run, force_lockout } = self.read().await?;
        self.remove_subject(gate, device, Manner { dry_run, force_lockout }).await
    }
}
