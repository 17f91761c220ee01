//! Starts the program of a `process:` interface.

use std::path::Path;

use doorward_local::Program;
use doorward_model::Scheme;

use super::{BackendStream, Bounds, ConnectedStream, DialError};

pub(super) async fn dial(
    bounds: &Bounds,
    program: &Path,
    arguments: &[String],
) -> Result<ConnectedStream, DialError> {
    let real = bounds.real_path(Scheme::Process, program).await?;
    let stream = Program::start(&real, program, arguments).await?;
    let address = format!("process:{}", real.display());
    Ok(ConnectedStream { stream: BackendStream::Process(Box::new(stream)), address })
}

#[cfg(test)]
mod tests {
    use super::super::Paths;
    use super::*;

    /// Another process of this binary runs this test to keep a program.
    #[test]
    fn keeper() {
        let arguments = &["--exact", "dial::process::tests::keeper", "--test-threads=1"];
        let kept = doorward_local::keep_programs(arguments);
        assert!(kept.is_none_or(|code| code == std::process::ExitCode::SUCCESS));
    }

    #[tokio::test]
    async fn what_is_started_is_where_the_path_leads() {
        let globs = ["/bin/sh".to_owned()].into_iter();
        let real = std::fs::canonicalize("/bin/sh").unwrap().display().to_string();
        let shown = format!("process:{real}");
        let process = globs.chain([real]).map(|path| path.parse().unwrap()).collect();
        let bounds = Bounds::within(&[], Paths::default().with(Scheme::Process, process));
        let arguments = ["-c".to_owned(), "exit".to_owned()];
        keeper();
        let connected = dial(&bounds, Path::new("/bin/sh"), &arguments).await.unwrap();
        assert_eq!(connected.address, shown);
        let BackendStream::Process(program) = connected.stream else {
            panic!("that is no program")
        };
        assert_eq!(program.end().await, None);
    }

    #[tokio::test]
    async fn a_link_that_leads_out_of_the_bounds_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("/bin/sh", dir.join("sh")).unwrap();
        let process = vec![format!("{}/*", dir.display()).parse().unwrap()];
        let bounds = Bounds::within(&[], Paths::default().with(Scheme::Process, process));
        for program in [dir.join("sh"), "/bin/sh".into()] {
            let led_out = dial(&bounds, &program, &[]).await;
            assert!(matches!(led_out, Err(DialError::Forbidden { .. })));
        }
        let missing = dial(&bounds, &dir.join("none"), &[]).await;
        assert!(matches!(missing, Err(DialError::Refused(_))));
    }
}
