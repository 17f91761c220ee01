//! Requests about users.

use doorward_api::{CodeRequest, Removal, UserAddition, UserChange, endpoint};
use doorward_model::{Kind, Name, Subject};
use doorward_store::SubjectChanges;

use crate::gate::{Denied, Gate};
use crate::preview::Manner;
use crate::request::AdminRequest;
use crate::response::EndpointResult;
use crate::subjects::title_change;

impl AdminRequest<'_> {
    fn user(&self) -> Result<Subject, Denied> {
        Ok(Subject::new(Kind::User, self.name::<Name>(0)?))
    }

    pub(crate) async fn list_users(self, gate: &mut Gate) -> EndpointResult<endpoint::ListUsers> {
        self.list_subjects(gate, Kind::User).await
    }

    pub(crate) async fn show_user(self, gate: &mut Gate) -> EndpointResult<endpoint::ShowUser> {
        let user = self.user()?;
        self.show_subject(gate, user).await
    }

    pub(crate) async fn add_user(mut self, gate: &mut Gate) -> EndpointResult<endpoint::AddUser> {
        let user = self.user()?;
        let UserAddition { title, roles, until, ttl_seconds, dry_run } = self.read().await?;
        let grant = roles.into_iter().map(|role| (role, until)).collect();
        let title = title_change(title, false)?;
        let given = SubjectChanges { title, grant, ..SubjectChanges::default() };
        self.add_subject(gate, user, false, (given, ttl_seconds), dry_run).await
    }

    pub(crate) async fn change_user(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ChangeUser> {
        let user = self.user()?;
        let change: UserChange = self.read().await?;
        let UserChange { enabled, grant, take, dry_run, force_lockout, .. } = change;
        let title = title_change(change.title, change.remove_title)?;
        let grant = grant.into_iter().map(|grant| (grant.role, grant.until)).collect();
        let changes = SubjectChanges { enabled, title, grant, take, ..SubjectChanges::default() };
        self.change_subject(gate, user, changes, Manner { dry_run, force_lockout }).await
    }

    pub(crate) async fn new_user_code(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::NewUserCode> {
        let user = self.user()?;
        let CodeRequest { ttl_seconds } = self.read().await?;
        self.new_code(gate, user, ttl_seconds).await
    }

    pub(crate) async fn revoke_user(self, gate: &mut Gate) -> EndpointResult<endpoint::RevokeUser> {
        let user = self.user()?;
        self.revoke_subject(gate, user).await
    }

    pub(crate) async fn remove_user(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::RemoveUser> {
        let user = self.user()?;
        let Removal { dry_run, force_lockout } = self.read().await?;
        self.remove_subject(gate, user, Manner { dry_run, force_lockout }).await
    }
}
