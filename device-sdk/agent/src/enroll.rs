//! The commands `enroll` and `claim`: turn a code into an identity directory.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use doorward_model::{Clock, Code, escape};
use doorward_sdk::{Enrolled, IdentityDir, enrol, enrolled_with, greet};

use crate::failure::Failure;
use crate::identity::IdentityArgs;

/// The arguments of `enroll` and `claim`.
#[derive(Args, Clone, Debug)]
pub struct EnrollArgs {
    /// The code, beginning with dw1.; - reads it from standard input
    #[arg(value_name = "CODE")]
    code: String,
    /// Where to put the identity (default: --identity)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Replace the identity that is in the directory
    #[arg(long)]
    replace: bool,
}

/// Reads a code from the command line, or from standard input if it is `-`.
fn read_code(text: &str) -> Result<Code, Failure> {
    let mut line = String::new();
    let text = if text == "-" {
        let stdin = std::io::stdin().lock();
        let read = stdin.take(Code::LIMIT as u64 * 2).read_line(&mut line);
        read.map_err(|error| Failure::Local { what: "standard input".to_owned(), error })?;
        line.trim()
    } else {
        text.trim()
    };
    Ok(text.parse().map_err(doorward_sdk::Error::from)?)
}

/// Redeems a code, and returns the new subject with the directory of its identity. On a terminal,
/// it asks the person for confirmation first.
///
/// # Errors
/// Fails when the text is not a code, when the person declines, or when the enrolment fails.
pub async fn enroll(
    args: EnrollArgs,
    identity: &IdentityArgs,
    clock: &dyn Clock,
) -> Result<(Enrolled, IdentityDir), Failure> {
    let EnrollArgs { code, dir, yes, replace } = args;
    let (dir, code) = (identity.dir(dir), read_code(&code)?);
    let enrolled = redeem(&dir, &code, yes, replace, clock).await?;
    Ok((enrolled, dir))
}

async fn redeem(
    dir: &IdentityDir,
    code: &Code,
    yes: bool,
    replace: bool,
    clock: &dyn Clock,
) -> Result<Enrolled, Failure> {
    if !replace {
        if let Some(subject) = enrolled_with(dir, code) {
            return Ok(Enrolled { subject });
        }
        if dir.is_taken() {
            return Err(doorward_sdk::Error::IdentityExists(dir.path().to_owned()).into());
        }
    }
    let expired = clock.now() >= code.expires;
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !yes && terminal && !confirmed(code)? {
        return Err(Failure::Declined);
    }
    enrol(dir, code, replace).await.map_err(|error| {
        // The gateway decides whether a code has expired. This machine's clock only improves the
        // text.
        if expired && matches!(error, doorward_sdk::Error::Refused { status: 403, .. }) {
            return doorward_sdk::Error::CodeExpired(code.expires).into();
        }
        error.into()
    })
}

fn confirmed(code: &Code) -> Result<bool, Failure> {
    let greeting = greet(code);
    let local = |error| Failure::Local { what: "the terminal".to_owned(), error };
    let mut err = std::io::stderr().lock();
    write!(
        err,
        "gateway      {}\nfingerprint  {}\nEnrol with this gateway? [y/N] ",
        escape(&greeting.url),
        greeting.anchor.grouped()
    )
    .and_then(|()| err.flush())
    .map_err(local)?;
    let mut answer = String::new();
    std::io::stdin().lock().take(16).read_line(&mut answer).map_err(local)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
