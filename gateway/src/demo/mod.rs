//! `serve --demo`: simulates devices, enrols an owner, a user and a device through the usual API,
//! and prints commands to try.

mod commands;
mod console;
mod plc;
mod thermostat;

use std::net::SocketAddr;
use std::path::PathBuf;

use doorward_api::{
    BundleProposal, ChangeAnswer, DeviceAddition, InterfaceAddition, IssuedCode, Removal,
    UserAddition, endpoint,
};
use doorward_control::owner_code;
use doorward_model::Code;
use doorward_sdk::{IdentityDir, enrol};
use tempfile::TempDir;

use crate::assemble::Gateway;
use crate::cli::{AdminClient, write};
use crate::clock::SystemClock;
use crate::config::Overrides;
use crate::failure::CommandFailure;

/// The simulated devices and the identities of a demonstration.
pub(crate) struct Demonstration {
    /// Removed when the demonstration ends.
    _temporary: Option<TempDir>,
    identities: PathBuf,
    thermostat: SocketAddr,
    plc: SocketAddr,
    console: PathBuf,
}

/// The rules that the demonstration adds to the default bundle: Alice may read from the devices.
const RULES: &str = "\n# The demonstration: Alice may ask the thermostat, watch its console, and read registers.\n\
                     p, user/alice, thermostat, http/api/*, get, , allow\n\
                     p, user/alice, thermostat, console, read, , allow\n\
                     p, user/alice, plc-3, modbus/1/holding/0-99, read, , allow\n";

impl Demonstration {
    /// Starts the devices, and chooses a directory for the data: a temporary one, unless --data
    /// names another.
    pub(crate) async fn start(overrides: &mut Overrides) -> Result<Self, CommandFailure> {
        let temporary = match &overrides.data {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("doorward-demo-").tempdir().map_err(
                |error| CommandFailure::new(format!("no temporary directory: {error}")),
            )?),
        };
        let home = match (&temporary, &overrides.data) {
            (Some(temporary), _) => temporary.path().to_owned(),
            (None, Some(data)) => data.clone(),
            (None, None) => {
                return Err(CommandFailure::new("the demonstration has no data directory"));
            }
        };
        if temporary.is_some() {
            overrides.data = Some(home.join("data"));
        }
        // Only this machine may reach a demonstration.
        overrides.listen.get_or_insert_with(|| "127.0.0.1:8443".to_owned());
        let (thermostat, plc) = (thermostat::start().await?, plc::start().await?);
        let (console, identities) = (console::start()?, home.join("demo"));
        overrides.serial.push(console.display().to_string());
        Ok(Self { _temporary: temporary, identities, thermostat, plc, console })
    }

    fn identity(&self, name: &str) -> IdentityDir {
        IdentityDir::new(self.identities.join(name))
    }

    /// Enrols the identities, applies the policy, declares the interfaces, and prints commands to
    /// try.
    pub(crate) async fn show(&self, gateway: &Gateway) -> Result<(), CommandFailure> {
        let (owner, alice) = (self.identity("owner"), self.identity("alice"));
        if gateway.store.snapshots().borrow().is_claimed() {
            if !owner.is_taken() || !alice.is_taken() {
                return Err(CommandFailure::new(format!(
                    "{} has an owner already, who is not the demonstration's; leave --data out, \
                     or name a new directory",
                    gateway.data_directory.path().display()
                )));
            }
        } else {
            let code = owner_code(&gateway.codes, &gateway.store, gateway.clock.now()).await?;
            enrol(&owner, &code, true).await?;
            self.enrol_all(gateway, &owner, &alice).await?;
        }
        self.declare(gateway, &owner).await?;
        let text = commands::text(gateway, owner.path(), alice.path())?;
        write(text.as_bytes())
    }

    async fn enrol_all(
        &self,
        gateway: &Gateway,
        owner: &IdentityDir,
        alice: &IdentityDir,
    ) -> Result<(), CommandFailure> {
        let client = administrator(gateway, owner);
        let added = client.call::<endpoint::AddUser>(&["alice"], &UserAddition::default()).await?;
        enrol(alice, &code_of(added)?, true).await?;
        let with_agent = DeviceAddition::default();
        let added = client.call::<endpoint::AddDevice>(&["thermostat"], &with_agent).await?;
        enrol(&self.identity("thermostat"), &code_of(added)?, true).await?;
        let agentless = DeviceAddition { agentless: true, ..DeviceAddition::default() };
        client.call::<endpoint::AddDevice>(&["plc-3"], &agentless).await?;
        let present = client.call::<endpoint::ShowPolicy>(&[], &()).await?;
        let policy = Some(format!("{}{RULES}", present.policy));
        let proposal = BundleProposal { policy, ..BundleProposal::default() };
        client.call::<endpoint::ApplyPolicy>(&[], &proposal).await?;
        Ok(())
    }

    /// Declares the interfaces again, since the simulated devices have new ports after each start.
    async fn declare(&self, gateway: &Gateway, owner: &IdentityDir) -> Result<(), CommandFailure> {
        let client = administrator(gateway, owner);
        for (device, name, url) in [
            ("thermostat", "http", format!("http://{}", self.thermostat)),
            ("thermostat", "console", format!("serial:{}?baud=115200", self.console.display())),
            ("plc-3", "modbus", format!("modbus://{}", self.plc)),
        ] {
            let removal = Removal::default();
            let former = client.call::<endpoint::RemoveInterface>(&[device, name], &removal).await;
            // At the first start there is no interface to remove.
            drop(former);
            let addition = InterfaceAddition { url, network: None, dry_run: false };
            client.call::<endpoint::AddInterface>(&[device, name], &addition).await?;
        }
        Ok(())
    }
}

fn code_of(answer: ChangeAnswer<IssuedCode>) -> Result<Code, CommandFailure> {
    let code = answer.made().and_then(|made| made.value.code).unwrap_or_default();
    Ok(code.parse().map_err(doorward_sdk::Error::from)?)
}

/// Returns a client with the owner's identity.
fn administrator(gateway: &Gateway, owner: &IdentityDir) -> AdminClient<'static> {
    AdminClient::new(owner.clone(), Some(gateway.addresses.management_url()), &SystemClock)
}
