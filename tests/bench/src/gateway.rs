//! The real gateway, as its users run it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Failure, port};
use doorward_sdk::{Api, IdentityDir, enrol};
use http::Method;
use serde_json::Value;
use tokio::time::sleep;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a gateway lives, and the process if it runs.
pub struct Gateway {
    program: PathBuf,
    dir: PathBuf,
    listen: SocketAddr,
    management: SocketAddr,
    child: Option<Child>,
}

/// `doorward`, built from the workspace that this one lies in.
///
/// # Errors
/// When it does not build.
pub fn build() -> Result<PathBuf, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "--locked", "-p", "doorward"]);
    // Whoever has set it means the directory of this program.
    command.current_dir(&root).env_remove("CARGO_TARGET_DIR");
    if !command.status()?.success() {
        return Err("the gateway does not build".into());
    }
    Ok(root.join("target/release/doorward").canonicalize()?)
}

impl Gateway {
    /// One that keeps what it has in `dir`, at the addresses that it had there before.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn new(program: PathBuf, dir: PathBuf) -> Result<Self, Failure> {
        fs::create_dir_all(&dir)?;
        let file = dir.join("addresses");
        let kept = fs::read_to_string(&file).unwrap_or_default();
        let mut kept = kept.lines().filter_map(|line| line.parse().ok());
        let (listen, management) = match kept.next().zip(kept.next()) {
            Some(kept) if port::reserve_again(kept.0) && port::reserve_again(kept.1) => kept,
            Some((listen, _)) => return Err(format!("another process uses {listen}").into()),
            None => (port::reserve(), port::reserve()),
        };
        fs::write(&file, format!("{listen}\n{management}\n"))?;
        Ok(Self { program, dir, listen, management, child: None })
    }

    /// Starts it with that configuration, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(&mut self, config: &str) -> Result<(), Failure> {
        let file = self.dir.join("doorward.toml");
        fs::write(&file, config)?;
        let log = |name: &str| -> io::Result<File> {
            OpenOptions::new().create(true).append(true).open(self.dir.join(name))
        };
        let mut command = Command::new(&self.program);
        command.args(["serve", "--print-code", "--data"]).arg(self.dir.join("data"));
        command.arg("--config").arg(file);
        command.arg("--listen").arg(self.listen.to_string());
        command.arg("--management").arg(self.management.to_string());
        command.stdin(Stdio::null()).stdout(log("out")?).stderr(log("err")?);
        self.child = Some(command.spawn()?);
        let begin = Instant::now();
        while !self.answers().await {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                return Err(format!("the gateway ended with {status}: {}", self.log()).into());
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("the gateway does not answer: {}", self.log()).into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn answers(&self) -> bool {
        #[expect(clippy::disallowed_methods, reason = "a look whether anybody is there")]
        let found = tokio::net::TcpStream::connect(self.management).await;
        found.is_ok()
    }

    fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        read("out") + read("err").as_str()
    }

    /// Makes the owner's identity, if there is none.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn claim(&self) -> Result<(), Failure> {
        let owner = self.owner();
        if owner.is_taken() {
            return Ok(());
        }
        let begin = Instant::now();
        let code = loop {
            let log = self.log();
            if let Some(code) = log.lines().rfind(|line| line.starts_with("dw1.claim.")) {
                break code.to_owned();
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("no code for the owner: {log}").into());
            }
            sleep(Duration::from_millis(20)).await;
        };
        enrol(&owner, &code.parse()?, false).await?;
        Ok(())
    }

    fn owner(&self) -> IdentityDir {
        IdentityDir::new(self.dir.join("owner"))
    }

    /// The owner, who may.
    ///
    /// # Errors
    /// When there is none yet.
    pub fn administrator(&self) -> Result<Administrator, Failure> {
        let identity = self.owner().load()?;
        let url = format!("https://{}", self.management);
        Ok(Administrator { url, identity })
    }

    /// Its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> Result<u32, Failure> {
        Ok(self.child.as_ref().ok_or("the gateway does not run")?.id())
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn kill(&mut self) -> Result<(), Failure> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It is gone either way.
        drop(self.kill());
    }
}

/// Whoever administers the gateway.
pub struct Administrator {
    url: String,
    identity: doorward_sdk::Identity,
}

impl Administrator {
    /// Makes a request.
    ///
    /// # Errors
    /// When it is refused, or there is no answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, doorward_sdk::Error> {
        Api::new(&self.url, &self.identity).request(method, path, body).await?.json().await
    }

    /// The records of the audit log after that number.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn audit(&self, after: u64) -> Result<Vec<Value>, Failure> {
        let path = format!("/v1/audit?after={after}");
        self.records(&path).await
    }

    /// The number of the last record.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn last_record(&self) -> Result<u64, Failure> {
        let records = self.records("/v1/audit?last=1").await?;
        let last = records.last().and_then(|record| record.get("seq")?.as_u64());
        Ok(last.ok_or("the audit log is empty")?)
    }

    async fn records(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let api = Api::new(&self.url, &self.identity);
        let mut reply = api.request(Method::GET, path, None).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = reply.chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(serde_json::from_slice).collect::<Result<_, _>>()?)
    }
}
