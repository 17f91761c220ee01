//! `serve --demo`: simulated devices, an owner, a person and a device, enrolled through the
//! same doors as anyone else, and commands to try.

mod commands;
mod console;
mod plc;
mod thermostat;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use doorward_control::owner_code;
use doorward_model::Code;
use doorward_sdk::{Api, IdentityDir, enrol};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::assemble::Gateway;
use crate::cli::write;
use crate::config::Overrides;
use crate::failure::Failure;

/// What a demonstration needs besides a gateway.
pub(crate) struct World {
    /// Removed when the demonstration ends.
    _temporary: Option<TempDir>,
    identities: PathBuf,
    thermostat: SocketAddr,
    plc: SocketAddr,
    console: PathBuf,
}

/// What the demonstration adds to the default bundle: one person may read from the devices.
const RULES: &str = "\n# The demonstration: Alice may ask the thermostat, watch its console, and read registers.\n\
                     p, user/alice, thermostat, http/api/*, get, , allow\n\
                     p, user/alice, thermostat, console, read, , allow\n\
                     p, user/alice, plc-3, modbus/1/holding/0-99, read, , allow\n";

impl World {
    /// Starts the devices, and finds a place for the rest: a directory that is gone afterwards,
    /// unless --data names another.
    pub(crate) async fn make(overrides: &mut Overrides) -> Result<Self, Failure> {
        let temporary = match &overrides.data {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("doorward-demo-")
                    .tempdir()
                    .map_err(|error| Failure::new(format!("no temporary directory: {error}")))?,
            ),
        };
        let home = match (&temporary, &overrides.data) {
            (Some(temporary), _) => temporary.path().to_owned(),
            (None, Some(data)) => data.clone(),
            (None, None) => return Err(Failure::new("the demonstration has no place")),
        };
        if temporary.is_some() {
            overrides.data = Some(home.join("data"));
        }
        // A demonstration stays on this machine.
        overrides.listen.get_or_insert_with(|| "127.0.0.1:8443".to_owned());
        let (thermostat, plc) = (thermostat::start().await?, plc::start().await?);
        let (console, identities) = (console::start()?, home.join("demo"));
        overrides.serial.push(console.display().to_string());
        Ok(Self { _temporary: temporary, identities, thermostat, plc, console })
    }

    fn identity(&self, name: &str) -> IdentityDir {
        IdentityDir::new(self.identities.join(name))
    }

    /// Enrols everyone, declares the interfaces, applies the policy, and prints what to try.
    pub(crate) async fn show(&self, gateway: &Gateway) -> Result<(), Failure> {
        let (owner, alice) = (self.identity("owner"), self.identity("alice"));
        if gateway.store.snapshots().borrow().is_claimed() {
            if !owner.is_taken() || !alice.is_taken() {
                return Err(Failure::new(format!(
                    "{} has an owner already, who is not the demonstration's; leave --data out, \
                     or name a new directory",
                    gateway.place.path().display()
                )));
            }
        } else {
            let code = owner_code(&gateway.codes, &gateway.store, gateway.clock.now()).await?;
            enrol(&owner, &code, true).await?;
            self.people_the_house(gateway, &owner, &alice).await?;
        }
        self.declare(gateway, &owner).await?;
        let text = commands::text(gateway, owner.path(), alice.path())?;
        write(text.as_bytes())
    }

    async fn people_the_house(
        &self,
        gateway: &Gateway,
        owner: &IdentityDir,
        alice: &IdentityDir,
    ) -> Result<(), Failure> {
        let api = Administrator::new(gateway, owner)?;
        let added = api.ask(Method::POST, "/v1/users/alice", json!({})).await?;
        enrol(alice, &code_of(&added)?, true).await?;
        let added = api.ask(Method::POST, "/v1/devices/thermostat", json!({})).await?;
        enrol(&self.identity("thermostat"), &code_of(&added)?, true).await?;
        api.ask(Method::POST, "/v1/devices/plc-3", json!({ "agentless": true })).await?;
        let present = api.ask(Method::GET, "/v1/policies", Value::Null).await?;
        let policy = present.get("policy").and_then(Value::as_str).unwrap_or_default();
        let policy = format!("{policy}{RULES}");
        api.ask(Method::PUT, "/v1/policies", json!({ "policy": policy })).await?;
        Ok(())
    }

    /// The simulated devices listen somewhere else each time.
    async fn declare(&self, gateway: &Gateway, owner: &IdentityDir) -> Result<(), Failure> {
        let api = Administrator::new(gateway, owner)?;
        for (door, url) in [
            ("thermostat/http", format!("http://{}", self.thermostat)),
            ("thermostat/console", format!("serial:{}?baud=115200", self.console.display())),
            ("plc-3/modbus", format!("modbus://{}", self.plc)),
        ] {
            let path = format!("/v1/interfaces/{door}");
            let declared = api.ask(Method::DELETE, &path, Value::Null).await;
            // There is none the first time.
            drop(declared);
            api.ask(Method::POST, &path, json!({ "url": url })).await?;
        }
        Ok(())
    }
}

fn code_of(answer: &Value) -> Result<Code, Failure> {
    let code = answer.get("code").and_then(Value::as_str).unwrap_or_default();
    Ok(code.parse().map_err(doorward_sdk::Error::from)?)
}

/// The owner, at the management listener.
struct Administrator {
    identity: doorward_sdk::Identity,
    url: String,
}

impl Administrator {
    fn new(gateway: &Gateway, owner: &IdentityDir) -> Result<Self, Failure> {
        Ok(Self { identity: owner.load()?, url: gateway.addresses.management_url() })
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, Failure> {
        let body = (!body.is_null()).then_some(&body);
        let api = Api::new(&self.url, &self.identity);
        Ok(api.request(method, path, body).await?.json().await?)
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
