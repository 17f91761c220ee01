//! Requests about users.

use doorward_api::{CodeRequest, IssuedCode, UserAddition, UserChange, endpoint};
use doorward_model::{Action, Kind, Name, Role, Subject};
use doorward_store::{NewSubject, SubjectChanges};

use crate::gate::{Denied, Gate};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, actor, changed, refused};
use crate::subjects::still_off_warning;

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
        let subject = self.user()?;
        let UserAddition { roles, ttl_seconds } = self.read().await?;
        for role in &roles {
            gate.ask(Action::Create, &format!("roles/{}", role.name()), self.now()).await?;
        }
        let may_return = self.ask_to_return(gate, &subject).await?;
        gate.record(Some(&format!("add {subject} {roles:?}"))).await?;
        let (code, row) = self.make_code(ttl_seconds)?;
        let (expires, mut warnings) = (Some(row.expires), self.unknown_roles(roles.iter()));
        let (groups, agentless, code_row) = (vec![], false, Some(row));
        let new = NewSubject {
            subject: subject.clone(),
            agentless,
            roles,
            groups,
            code: code_row,
            may_return,
        };
        gate.check_permits()?;
        let added = self.parts.store.add_subject(actor(gate), new).await.map_err(refused)?;
        warnings.extend(still_off_warning(&subject, added.value.enabled));
        Ok(changed(&added, IssuedCode { subject, code: Some(code), expires, warnings }))
    }

    pub(crate) async fn change_user(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ChangeUser> {
        let user = self.user()?;
        let UserChange { enabled, grant, take } = self.read().await?;
        let grant: Vec<_> = grant.into_iter().map(|grant| (grant.role, grant.until)).collect();
        let warnings = self.unknown_roles(grant.iter().map(|(role, _)| role));
        let changes = SubjectChanges { enabled, grant, take, ..SubjectChanges::default() };
        self.change_subject(gate, user, changes, warnings).await
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

    pub(crate) async fn remove_user(self, gate: &mut Gate) -> EndpointResult<endpoint::RemoveUser> {
        let user = self.user()?;
        self.remove_subject(gate, user).await
    }

    fn unknown_roles<'r>(&self, roles: impl Iterator<Item = &'r Role>) -> Vec<String> {
        let snapshot = self.parts.leases.snapshot();
        let unknown = roles.filter(|role| !snapshot.bundle().names_role(role));
        unknown.map(|role| format!("no rule speaks of {role} yet, so it grants nothing")).collect()
    }
}
